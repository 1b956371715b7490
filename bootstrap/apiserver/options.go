package apiserver

import (
	"net"

	"k8s.io/apiserver/pkg/features"
	serveroptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// served are the API groups that a chart, its controllers and the custom resources need. The rest would cost
// start-up time and memory.
func served() []string {
	return []string{
		"v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "apiextensions.k8s.io/v1",
		"apiregistration.k8s.io/v1", "networking.k8s.io/v1", "policy/v1", "autoscaling/v2", "coordination.k8s.io/v1",
		"authentication.k8s.io/v1", "authorization.k8s.io/v1", "admissionregistration.k8s.io/v1",
		"discovery.k8s.io/v1", "events.k8s.io/v1", "scheduling.k8s.io/v1",
	}
}

// unservedAdmission are the admission plug-ins for resources of groups that are not served; they would wait for
// those for ever. Every plug-in for a served resource stays as a real cluster has it.
func unservedAdmission() []string {
	return []string{
		// storage.k8s.io
		"DefaultStorageClass", "PersistentVolumeClaimResize", "StorageObjectInUseProtection",
		// node.k8s.io, certificates.k8s.io
		"RuntimeClass", "CertificateApproval", "CertificateSigning", "CertificateSubjectRestriction",
		"ClusterTrustBundleAttest",
	}
}

// featureGates are the defaults that this cluster changes. Every five minutes the API server would read all objects from
// etcd and compare them with its cache, to find faults of Kubernetes; with the objects of a day that takes seconds, during
// which agents wait.
// Source: https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/
func featureGates() map[string]bool {
	return map[string]bool{string(features.DetectCacheInconsistency): false}
}

// serverOptions are the flags of kube-apiserver as this cluster sets them.
// Source: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
func serverOptions(p pki, etcd string, listener *net.TCPListener, port int) *options.ServerRunOptions {
	loopback := net.IPv4(127, 0, 0, 1)
	s := options.NewServerRunOptions()
	s.Etcd.StorageConfig.Transport.ServerList = []string{etcd}
	s.Etcd.EncryptionProviderConfigFilepath = p.encryption
	s.SecureServing.Listener, s.SecureServing.BindPort = listener, port
	s.SecureServing.BindAddress, s.SecureServing.ExternalAddress = loopback, loopback
	s.SecureServing.ServerCert.CertKey = serveroptions.CertKey{CertFile: p.serving.cert, KeyFile: p.serving.key}
	s.GenericServerRunOptions.AdvertiseAddress = loopback
	s.Authentication.ClientCert.ClientCA = p.ca.cert
	s.Authentication.ServiceAccounts.Issuers = []string{"https://kubernetes.default.svc.cluster.local"}
	s.Authentication.ServiceAccounts.KeyFiles = []string{p.serviceAccountKey}
	s.ServiceAccountSigningKeyFile = p.serviceAccountKey
	s.Authorization.Modes = []string{"RBAC"}
	s.ServiceClusterIPRanges = "10.96.0.0/16"
	// No pod dials the API server by its Service, so nothing has to keep that Service's endpoints.
	s.EndpointReconcilerType = "none"
	s.KubeletConfig.PreferredAddressTypes = []string{"InternalIP"}
	s.KubeletConfig.TLSClientConfig.CAFile = p.ca.cert
	s.KubeletConfig.TLSClientConfig.CertFile = p.kubeletClient.cert
	s.KubeletConfig.TLSClientConfig.KeyFile = p.kubeletClient.key
	// Fair queueing between users is for shared clusters; it neither admits nor validates.
	s.Features.EnablePriorityAndFairness = false
	s.APIEnablement.RuntimeConfig = map[string]string{"api/all": "false"}
	for _, group := range served() {
		s.APIEnablement.RuntimeConfig[group] = "true"
	}
	s.Admission.GenericAdmission.DisablePlugins = unservedAdmission()
	return s
}
