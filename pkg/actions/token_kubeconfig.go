package actions

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clusterConnection is how the requester reaches the cluster, without credentials.
type clusterConnection struct {
	// name is the API server's host and port.
	name    string
	cluster clientcmdapi.Cluster
	// err says what could not be read; it matters only to who asks for a kubeconfig.
	err error
}

func connectionOf(config *rest.Config) *clusterConnection {
	server := serverURL(config)
	_, name, _ := strings.Cut(server, "://")
	config = rest.CopyConfig(config)
	err := rest.LoadTLSFiles(config)
	if err != nil {
		err = fmt.Errorf("reading the certificate authority of %s: %w", server, err)
	}
	return &clusterConnection{
		name: strings.TrimRight(name, "/"),
		err:  err,
		cluster: clientcmdapi.Cluster{
			Server:                   server,
			TLSServerName:            config.ServerName,
			InsecureSkipTLSVerify:    config.Insecure,
			CertificateAuthorityData: config.CAData,
			ProxyURL:                 proxyOf(config, server),
		},
	}
}

// serverURL is the API server's address with its scheme and without a final slash.
func serverURL(config *rest.Config) string {
	u, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return strings.TrimRight(config.Host, "/") // a client was made from it before, so it is valid
	}
	return strings.TrimRight(u.String(), "/")
}

// proxyOf is the proxy that the kubeconfig names; one from the environment is everybody's own.
func proxyOf(config *rest.Config, server string) string {
	if config.Proxy == nil {
		return ""
	}
	target, err := url.Parse(server)
	if err != nil {
		return ""
	}
	proxy, err := config.Proxy(&http.Request{Method: http.MethodGet, URL: target})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.String()
}

// Kubeconfig implements Kubeconfiger.
func (r *TokenResult) Kubeconfig() (Secret, error) {
	if r.Token.IsZero() {
		return Secret{}, &Error{Message: "a dry run has no token to write a kubeconfig with", Hint: "leave out --dry-run", Code: ExitUsage}
	}
	if r.connection.err != nil {
		return Secret{}, r.connection.err
	}
	user := r.ServiceAccount.Name
	context := user + "@" + r.connection.name
	config := clientcmdapi.NewConfig()
	config.Clusters[r.connection.name] = &r.connection.cluster
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: r.Token.Reveal()}
	config.Contexts[context] = &clientcmdapi.Context{Cluster: r.connection.name, AuthInfo: user}
	config.CurrentContext = context
	data, err := clientcmd.Write(*config)
	if err != nil {
		return Secret{}, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return NewSecret(string(data)), nil
}
