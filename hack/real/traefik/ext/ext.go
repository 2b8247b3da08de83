// Package ext stands in for a folder of Traefik's repository that its published module lacks, since it is
// a module of its own there. It is a place for additions, and as empty as this in Traefik itself.
package ext

// HTTP adds nothing to Traefik's HTTP configuration.
type HTTP struct{}

// Router adds nothing to Traefik's routers.
type Router struct{}
