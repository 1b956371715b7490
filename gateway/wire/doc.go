// Package wire holds the bodies and errors that the gateway and its clients exchange over HTTP.
//
// Field names are those of the public AIP gateway, so that agents written for it work unchanged.
package wire
