// Command kubectl is Kubernetes' own command line, built from its library so that the guide's commands can run on a
// machine that has nothing but Go. `make tools` builds it and stamps its version.
// Source: https://github.com/kubernetes/kubernetes/blob/v1.37.2/cmd/kubectl/kubectl.go
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints it as kubectl does, and exits
	}
}
