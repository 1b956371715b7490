package failure

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"testing"
)

// codes returns the constants of type Code as they stand in the source, so that a new one cannot be forgotten.
func codes(t *testing.T) []Code {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "failure.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		for _, value := range spec.Values {
			v, err := types.Eval(files, nil, token.NoPos, types.ExprString(value))
			if err != nil {
				t.Fatal(err)
			}
			code, exact := constant.Int64Val(v.Value)
			if !exact {
				t.Fatalf("%s is no number", types.ExprString(value))
			}
			found = append(found, Code(code))
		}
		return true
	})
	if len(found) == 0 {
		t.Fatal("no constant of type Code was found")
	}
	return found
}
