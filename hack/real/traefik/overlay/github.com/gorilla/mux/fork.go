package mux

// Traefik builds with a fork of this module, which is not published. What only the fork has is here, as far
// as Ingresses need it: Traefik's rules of version 3 take the routing path from the request's context.

type routingPathKey struct{}

// RoutingPathKey is where Traefik keeps the path that it routes by.
var RoutingPathKey routingPathKey

// UseRoutingPath changes nothing: only rules of version 2 would match by the path in the context.
func (r *Router) UseRoutingPath() *Router { return r }
