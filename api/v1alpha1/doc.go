// Package v1alpha1 holds the custom resources of governance.aip.io/v1alpha1 as Go types.
//
// The CustomResourceDefinitions in manifests/charts/aip-k8s/crds are generated from these types (make generate), so
// the types are the specification: what a field may hold, who writes it and whether it may change is said here.
//
// +kubebuilder:object:generate=true
// +groupName=governance.aip.io
package v1alpha1
