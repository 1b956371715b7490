// Package images makes the gateway's container image from a program of this machine, without a container engine, and
// reads and writes bundles: one file with all images of an environment for machines that reach no registry. Bootstrap
// steps and the command line call it; they get images that engines and clusters load as archives.
package images
