// Package endpoint is the HTTPS endpoint of the embedded cluster's node: kube-apiserver calls it for kubectl logs and
// kubectl port-forward. The node passes in where the logs of its pods lie and how their ports are reached; requests
// come in over mutual TLS, log text and forwarded streams go out.
package endpoint
