package kubelet

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// tokenMount is where the ServiceAccount admission plug-in mounts the service account's token.
// Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
const tokenMount = "/var/run/secrets/kubernetes.io/serviceaccount" //nolint:gosec // a path, no credential

// misfits says in words why pod cannot run as goroutines; nothing means that it can.
func (n *Node) misfits(pod *corev1.Pod) []string {
	var faults []string
	if unknown := n.unknownImages(pod); len(unknown) > 0 {
		faults = append(faults, fmt.Sprintf("image %q: %s", unknown, n.o.UnknownImage))
	}
	spec := &pod.Spec
	if len(spec.InitContainers) > 0 {
		faults = append(faults, "this node runs no init containers")
	}
	if len(spec.ReadinessGates) > 0 {
		faults = append(faults, "this node heeds no readiness gates")
	}
	if spec.ActiveDeadlineSeconds != nil {
		faults = append(faults, "this node heeds no activeDeadlineSeconds")
	}
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; !isTokenVolume(v) {
			faults = append(faults, fmt.Sprintf("volume %q: this node mounts no volumes; pass configuration by args or env", v.Name))
		}
	}
	for i := range spec.Containers {
		for _, fault := range containerMisfits(&spec.Containers[i]) {
			faults = append(faults, fmt.Sprintf("container %q: %s", spec.Containers[i].Name, fault))
		}
	}
	return faults
}

func (n *Node) unknownImages(pod *corev1.Pod) []string {
	var unknown []string
	for i := range pod.Spec.Containers {
		image := pod.Spec.Containers[i].Image
		if _, ok := n.o.Images(image); !ok && !slices.Contains(unknown, image) {
			unknown = append(unknown, image)
		}
	}
	return unknown
}

func containerMisfits(c *corev1.Container) []string {
	var faults []string
	if len(c.Command) > 0 {
		faults = append(faults, "command is set, but the image alone decides what runs; pass args")
	}
	if l := c.Lifecycle; l != nil && (l.PostStart != nil || l.PreStop != nil && l.PreStop.Sleep == nil) {
		faults = append(faults, "this node runs no lifecycle hooks but preStop.sleep")
	}
	if slices.ContainsFunc([]*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe}, misfitProbe) {
		faults = append(faults, "this node probes with plain httpGet and tcpSocket only")
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil && from.ResourceFieldRef != nil {
			faults = append(faults, fmt.Sprintf("env %q: this node limits no resources, so resourceFieldRef has no value", c.Env[i].Name))
		}
	}
	return faults
}

// misfitProbe reports whether p is a probe that this node cannot make.
func misfitProbe(p *corev1.Probe) bool {
	plain := p != nil && p.HTTPGet != nil && p.HTTPGet.Scheme != corev1.URISchemeHTTPS
	return p != nil && p.TCPSocket == nil && !plain
}

// isTokenVolume reports whether v is the volume that the ServiceAccount admission plug-in adds. Its content is handed
// over as Container.Kube.
func isTokenVolume(v *corev1.Volume) bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool {
		return s.ServiceAccountToken != nil && s.ServiceAccountToken.Audience == ""
	})
}

// mountsToken reports whether a container is meant to reach the API server.
func mountsToken(c *corev1.Container) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == tokenMount })
}
