// Package kubelet is a node without containers: pods that are bound to it run as goroutines, chosen by image name, in a
// cluster that kubectl and the ordinary controllers see as any other. `aip-dev serve` calls it; pods go in, running
// functions, true pod statuses and answered connections come out.
package kubelet
