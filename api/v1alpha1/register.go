package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of every kind in this package.
const Group = "governance.aip.io"

// GroupVersion returns governance.aip.io/v1alpha1.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: "v1alpha1"}
}

// AddToScheme registers every kind of this package with scheme. It cannot fail; the error exists to fit
// runtime.SchemeBuilder.
func AddToScheme(scheme *runtime.Scheme) error {
	gv := GroupVersion()
	scheme.AddKnownTypes(gv, &AgentRequest{}, &AgentRequestList{}, &SafetyPolicy{}, &SafetyPolicyList{},
		&GovernedResource{}, &GovernedResourceList{}, &AuditRecord{}, &AuditRecordList{}, &AgentRegistration{}, &AgentRegistrationList{},
		&AgentTrustProfile{}, &AgentTrustProfileList{}, &AgentGraduationPolicy{}, &AgentGraduationPolicyList{},
		&DiagnosticAccuracySummary{}, &DiagnosticAccuracySummaryList{})
	metav1.AddToGroupVersion(scheme, gv)
	return nil
}
