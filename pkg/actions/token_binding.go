package actions

// Bindable is implemented by Options that ask for a credential which can be made to end with an
// object. A front end that offers to revoke what it handed out binds it to a Secret of its own, and
// deletes that.
type Bindable interface {
	// BindTo makes the credential end with the Secret of that name. It reports false, and changes
	// nothing, if the requester named an object or asks for a credential that cannot be bound.
	BindTo(secret string) bool
	// CredentialNamespace is where that Secret must be; given is the namespace that the requester
	// named, or empty.
	CredentialNamespace(given string) string
}

// BindTo implements Bindable.
func (o *TokenOptions) BindTo(secret string) bool {
	if o.Legacy || o.BoundObject.Kind != "" {
		return false
	}
	o.BoundObject = BoundObject{Kind: "Secret", Name: secret}
	return true
}

// CredentialNamespace implements Bindable.
func (o *TokenOptions) CredentialNamespace(given string) string {
	if given == "" {
		return adminNamespace
	}
	return given
}
