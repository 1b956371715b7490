// Package apiserver runs a Kubernetes cluster without containers: kube-apiserver and etcd inside this process, with
// TLS, RBAC and the default admission of a real cluster. `aip-dev serve` calls it; a folder goes in, a running API
// server with its client configuration comes out.
package apiserver
