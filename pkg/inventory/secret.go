package inventory

import "strings"

// isSecretName tells from a variable's or a key's name whether its value is a secret. It is wide on
// purpose: a harmless value hidden costs less than a password shown.
func isSecretName(name string) bool {
	n := strings.ToLower(name)
	for _, suffix := range []string{"_file", "_path", "_dir", "_url", "_enabled", "_name", "_namespace", "_mode", "_length", "_ttl"} {
		if strings.HasSuffix(n, suffix) {
			return false
		}
	}
	for _, part := range []string{
		"password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "api_key", "access_key",
		"private_key", "privatekey", "certificate_key", "encryption_key", "encrypt_key", "registry_auth", "peerpass",
		"authorization", "bearer", "dockerconfig", "htpasswd", "kubeconfig",
	} {
		if strings.Contains(n, part) {
			return true
		}
	}
	return n == "pass" || n == "pw" || n == "pwd" || n == "auth" || n == "ansible_ssh_common_args" || n == "ansible_ssh_extra_args" ||
		strings.HasSuffix(n, "_pass") || strings.HasSuffix(n, "_pw") || strings.HasSuffix(n, "_pwd") || strings.HasSuffix(n, "_psk")
}
