package issuer

import (
	"html/template"
	"net/http"
)

// devicePage returns the page where a person lets a device in. It works without scripts and loads nothing.
func devicePage() *template.Template {
	return template.Must(template.New("device").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Let a device in</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}label,input{display:block;width:100%;box-sizing:border-box}
input{margin:.2rem 0 1rem;padding:.4rem;font:inherit}button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}.told{font-weight:bold}</style></head><body>
<h1>Let a device in</h1>
{{with .Told}}<p class="told" role="status">{{.}}</p>{{end}}
{{if not .Over}}<p>A program{{with .Client}} that calls itself <b>{{.}}</b>{{end}} wants to act in your name in realm <b>{{.Realm}}</b>. Go on only when you started it, and it shows this code.</p>
<form method="post" action="{{.Action}}">
<label for="code">Code</label><input id="code" name="user_code" value="{{.Code}}" autocomplete="off" required>
<label for="name">User name</label><input id="name" name="username" autocomplete="username" required>
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button name="decision" value="yes">Let it in</button> <button name="decision" value="no">Refuse</button>
</form>{{end}}
</body></html>
`))
}

// deviceView is what the page shows.
type deviceView struct {
	Realm, Client, Code, Action, Told string
	// Over says that there is nothing more to do.
	Over bool
}

func (s *Server) showDevice(w http.ResponseWriter, r *http.Request) {
	in, err := s.realmOf(r)
	if err != nil {
		http.Error(w, "Realm does not exist", http.StatusNotFound)
		return
	}
	view := deviceView{Realm: in.Name, Code: r.URL.Query().Get("user_code"), Action: s.realmURL(in.Name) + "/device"}
	s.devices.change(s.opts.Now(), in.Name, func(d *device) bool { return sameUserCode(view.Code, d.userCode) }, func(d *device) bool {
		if d != nil {
			view.Client = d.client
		}
		return false
	})
	s.writeDevice(w, r, http.StatusOK, view)
}

// decideDevice lets a device in or refuses it, in the name of the user whose password comes along. As each decision has the password
// with it, there is no session that another page could use.
func (s *Server) decideDevice(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	in, err := s.realmOf(r)
	if err != nil {
		http.Error(w, "Realm does not exist", http.StatusNotFound)
		return
	}
	if readForm(r) != nil {
		http.Error(w, "Cannot read the form", http.StatusBadRequest)
		return
	}
	view := deviceView{Realm: in.Name, Code: r.PostForm.Get("user_code"), Action: s.realmURL(in.Name) + "/device"}
	u, err := in.login(r.PostForm.Get("username"), r.PostForm.Get("password"))
	if err != nil || !in.Enabled {
		view.Told = "This user name and password are not right."
		s.writeDevice(w, r, http.StatusUnauthorized, view)
		return
	}
	status := http.StatusOK
	s.devices.change(s.opts.Now(), in.Name, func(d *device) bool { return sameUserCode(view.Code, d.userCode) }, func(d *device) bool {
		switch yes := r.PostForm.Get("decision") == "yes"; {
		case d == nil || d.by != "" || d.denied:
			status, view.Told = http.StatusBadRequest, "No device waits with this code; it may have waited too long."
		case yes:
			d.by, view.Told, view.Over = u.ID, "The device is let in. You can close this page.", true
		default:
			d.denied, view.Told, view.Over = true, "The device is refused. You can close this page.", true
		}
		return false
	})
	if view.Over {
		s.opts.Log.InfoContext(r.Context(), "device decided", "realm", in.Name, "user", u.Username, "told", view.Told)
	}
	s.writeDevice(w, r, status, view)
}

func (s *Server) writeDevice(w http.ResponseWriter, r *http.Request, status int, view deviceView) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	if err := devicePage().Execute(w, view); err != nil {
		s.opts.Log.ErrorContext(r.Context(), "write the page", "path", r.URL.Path, "error", err.Error())
	}
}
