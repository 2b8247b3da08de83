package auth

import "net/http"

// RequireAuthStale asks for the password again. In the fork that Traefik builds with, which is not
// published, it also tells the browser that it need not ask the person.
func (da *DigestAuth) RequireAuthStale(w http.ResponseWriter, r *http.Request) { da.RequireAuth(w, r) }
