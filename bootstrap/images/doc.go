// Package images makes the gateway's container image from a program of this machine, without a container engine.
// Bootstrap steps call it with the running program; they get an image that clusters load as an archive.
package images
