package issuer

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// checkMapper refuses a mapper type that would have no effect, with Keycloak's words for a type that is not installed.
func checkMapper(m mapper) error {
	if m.ProtocolMapper != audienceMapper {
		return plainFault(http.StatusNotFound, "ProtocolMapper provider not found")
	}
	if m.Name == "" {
		return adminFault(http.StatusBadRequest, "A protocol mapper needs a name")
	}
	return nil
}

func mapperExists() error {
	return adminFault(http.StatusConflict, "Protocol mapper exists with same name")
}

// adoptMappers checks the mappers that came with a client and gives each an ID: that of the old mapper of its name, or a new one.
func adoptMappers(c *client, old []mapper) error {
	for i := range c.ProtocolMappers {
		m := &c.ProtocolMappers[i]
		if err := checkMapper(*m); err != nil {
			return err
		}
		named := func(o mapper) bool { return o.Name == m.Name }
		if slices.ContainsFunc(c.ProtocolMappers[:i], named) {
			return mapperExists()
		}
		m.ID = uuid.NewString()
		if j := slices.IndexFunc(old, named); j >= 0 {
			m.ID = old[j].ID
		}
	}
	return nil
}

// clash says whether another mapper than the one with this ID has the name.
func (c *client) clash(name, id string) bool {
	return slices.ContainsFunc(c.ProtocolMappers, func(m mapper) bool { return m.Name == name && m.ID != id })
}

func (s *Server) listMappers(r *http.Request) (answer, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: append([]mapper{}, c.ProtocolMappers...)}, nil
}

func (s *Server) getMapper(r *http.Request) (answer, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return answer{}, err
	}
	i := c.mapper(r.PathValue("mapper"))
	if i < 0 {
		return answer{}, noMapper()
	}
	return answer{status: http.StatusOK, body: c.ProtocolMappers[i]}, nil
}

func noMapper() error { return plainFault(http.StatusNotFound, "Model not found") }

// readMapper reads a mapper whose ID the server decides.
func readMapper(r *http.Request, id string) (mapper, error) {
	m := mapper{Protocol: openIDConnect}
	if err := decode(r, &m); err != nil {
		return mapper{}, err
	}
	m.ID = id
	if m.Config == nil {
		m.Config = map[string]string{}
	}
	return m, checkMapper(m)
}

func (s *Server) createMapper(r *http.Request) (answer, error) {
	if _, err := s.clientOf(r); err != nil {
		return answer{}, err
	}
	m, err := readMapper(r, uuid.NewString())
	if err != nil {
		return answer{}, err
	}
	err = s.changeClient(r, "protocol mapper created", func(_ *realm, c *client) error {
		if c.clash(m.Name, m.ID) {
			return mapperExists()
		}
		c.ProtocolMappers = append(c.ProtocolMappers, m)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	location := s.opts.Hostname + "/admin/realms/" + r.PathValue("realm") + "/clients/" + r.PathValue("id") +
		"/protocol-mappers/models/" + m.ID
	return answer{status: http.StatusCreated, location: location}, nil
}

func (s *Server) updateMapper(r *http.Request) (answer, error) {
	if _, err := s.clientOf(r); err != nil {
		return answer{}, err
	}
	m, err := readMapper(r, r.PathValue("mapper"))
	if err != nil {
		return answer{}, err
	}
	err = s.changeClient(r, "protocol mapper updated", func(_ *realm, c *client) error {
		i := c.mapper(m.ID)
		switch {
		case i < 0:
			return noMapper()
		case c.clash(m.Name, m.ID):
			return mapperExists()
		}
		c.ProtocolMappers[i] = m
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (s *Server) deleteMapper(r *http.Request) (answer, error) {
	err := s.changeClient(r, "protocol mapper deleted", func(_ *realm, c *client) error {
		i := c.mapper(r.PathValue("mapper"))
		if i < 0 {
			return noMapper()
		}
		c.ProtocolMappers = slices.Delete(c.ProtocolMappers, i, i+1)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
