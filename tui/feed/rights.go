package feed

import (
	"fmt"
	"slices"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

// Offline says why nothing can be sent to the gateway; it is empty when everything can.
func (s Snapshot) Offline() string {
	switch {
	case s.Mode == Away && s.Refused:
		return "the gateway refuses the token"
	case s.Mode == Away:
		return "gateway away"
	case !s.Current() || s.Who == nil:
		return "connecting"
	default:
		return ""
	}
}

// Lacks says why the identity may not do what takes a role; it is empty when it may.
func (s Snapshot) Lacks(role string) string {
	if offline := s.Offline(); offline != "" {
		return offline
	}
	if slices.Contains(s.Who.Roles, role) || len(s.Who.Roles) == 0 && s.Who.Role == role {
		return ""
	}
	return fmt.Sprintf("role %s may not, %s may", safetext.ID(s.Who.Role), role)
}
