// Package kindcluster is a Kubernetes cluster in containers: it finds the container engine, and creates, inspects,
// starts, stops and deletes a cluster of one node through the kind library. Bootstrap steps call it with ports, images
// and a path for the kubeconfig; the user's own kubeconfig is never touched.
package kindcluster
