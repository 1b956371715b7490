package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/aip-dev/aip-dev/"

// source is one Go file that ships.
type source struct {
	// pkg is the folder in the module, path the file in it.
	pkg, path string
	file      *ast.File
	positions *token.FileSet
}

// read parses the Go files below root that ship: no tests, no nested modules, no folders that the go command skips.
func read(root fs.FS) ([]source, error) {
	var sources []source
	positions := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && skipped(root, name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		sources = append(sources, source{pkg: path.Dir(name), path: name, file: file, positions: positions})
		return nil
	})
	return sources, err
}

func skipped(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || dir == "bin" {
		return true
	}
	_, err := fs.Stat(root, dir+"/go.mod")
	return err == nil
}

// check returns one line per violation: the file, what is wrong, and the rule.
func check(sources []source, layers []layer, sdks []sdk) []string {
	var found []string
	for _, s := range sources {
		at := slices.IndexFunc(layers, func(l layer) bool { return matches(l.of, s.pkg) })
		if at < 0 {
			found = append(found, s.path+": package "+s.pkg+" has no line in layers (rules_test.go)")
			continue
		}
		found = append(found, s.imports(layers[at], sdks)...)
		if layers[at].noClock {
			found = append(found, s.clocks()...)
		}
		if !ast.IsGenerated(s.file) {
			found = append(found, s.lengths()...)
		}
	}
	return found
}

// matches reports whether one of the patterns takes in pkg.
func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		above, all := strings.CutSuffix(p, "...")
		return p == pkg || all && (above == "" || strings.HasPrefix(pkg+"/", above))
	})
}

// under reports whether the import path is one of the prefixes or below it.
func under(prefixes []string, imported string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return imported == p || strings.HasPrefix(imported, p+"/") })
}

func (s source) imports(l layer, sdks []sdk) []string {
	var found []string
	wrong := func(imported, rule string, args ...any) {
		found = append(found, fmt.Sprintf("%s imports %s: ", s.path, imported)+fmt.Sprintf(rule, args...))
	}
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			wrong(spec.Path.Value, "not an import path")
			continue
		}
		if own, ok := strings.CutPrefix(imported, module); ok {
			if own != s.pkg && !matches(l.may, own) {
				wrong(own, "%s may import %s of this module", strings.Join(l.of, ", "), list(l.may))
			}
			continue
		}
		if under(l.never, imported) {
			wrong(imported, "%s must not use it", strings.Join(l.of, ", "))
		}
		first, _, _ := strings.Cut(imported, "/")
		if len(l.outside) > 0 && strings.Contains(first, ".") && !under(l.outside, imported) {
			wrong(imported, "of other modules %s may import %s only", strings.Join(l.of, ", "), list(l.outside))
		}
		for _, k := range sdks {
			if strings.HasPrefix(imported, k.prefix) {
				if !matches(k.homes, s.pkg) {
					wrong(imported, "%s belongs to %s", k.prefix, list(k.homes))
				}
				break
			}
		}
	}
	return found
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// clocks finds time.Now.
func (s source) clocks() []string {
	var found []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "time" && selector.Sel.Name == "Now" {
			found = append(found, fmt.Sprintf("%s reads the clock: time comes in as a value", s.positions.Position(n.Pos())))
		}
		return true
	})
	return found
}

func (s source) lengths() []string {
	var found []string
	line := func(p token.Pos) int { return s.positions.Position(p).Line }
	if lines := line(s.file.FileEnd); lines > maxFileLines {
		found = append(found, fmt.Sprintf("%s has %d lines, expected at most %d", s.path, lines, maxFileLines))
	}
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := line(f.End()) - line(f.Pos()) + 1; lines > maxFunctionLines {
			found = append(found, fmt.Sprintf("%s: %s has %d lines, expected at most %d", s.path, f.Name.Name, lines, maxFunctionLines))
		}
	}
	return found
}
