package actions

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// requestError is what client-go returns when a request to a server fails underneath HTTP.
func requestError(err error) error {
	return fmt.Errorf("listing pods: %w", &url.Error{Op: "Get", URL: "https://192.168.0.104:6443/api/v1/pods", Err: err})
}

func forbidden(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: message}}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestExplain(t *testing.T) {
	t.Parallel()
	pods, deployments := schema.GroupResource{Resource: "pods"}, schema.GroupResource{Group: "apps", Resource: "deployments"}
	const running = "is the cluster running? check the server address: kubectl config view --minify"
	tests := []struct {
		name string
		err  error
		want string
		code ExitCode
	}{
		{"nil", nil, "<no error>", ExitOK},
		{"anything", errors.New("surprise"), "surprise", ExitFailed},
		{"known, wrapped", fmt.Errorf("doing: %w", &Error{Message: "m", Hint: "h", Code: ExitUsage}), "m\n→ h", ExitUsage},
		{"interrupted", fmt.Errorf("waiting: %w", context.Canceled), "interrupted", ExitInterrupted},
		{"interrupted request", requestError(context.Canceled), "interrupted", ExitInterrupted},
		{"deadline", context.DeadlineExceeded, "timed out\n→ raise --timeout", ExitFailed},
		{"request deadline", requestError(context.DeadlineExceeded), "the API server 192.168.0.104:6443 did not answer in time\n→ " + running + "; or raise --request-timeout", ExitUnreachable},
		{"request timeout", requestError(timeoutError{}), "the API server 192.168.0.104:6443 did not answer in time\n→ " + running + "; or raise --request-timeout", ExitUnreachable},
		{"refused", requestError(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), "the API server 192.168.0.104:6443 refused the connection\n→ " + running, ExitUnreachable},
		{"reset", requestError(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), "cannot reach the API server 192.168.0.104:6443: connection reset by peer\n→ " + running, ExitUnreachable},
		{"name", requestError(&net.DNSError{Err: "no such host", Name: "k8s01"}), "cannot resolve the name of the API server 192.168.0.104:6443\n→ " + running, ExitUnreachable},
		{"unknown authority", requestError(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
			"the certificate of 192.168.0.104:6443 is signed by an unknown authority\n→ is this the right cluster? check certificate-authority-data of the context in your kubeconfig", ExitUnreachable},
		{"expired certificate", requestError(x509.CertificateInvalidError{Reason: x509.Expired, Detail: "yesterday"}),
			"the certificate of 192.168.0.104:6443 is not valid: x509: certificate has expired or is not yet valid: yesterday\n→ check the server address in your kubeconfig and the certificate's dates (kubeadm certs check-expiration)", ExitUnreachable},
		{"expired token", apierrors.NewUnauthorized("token has expired"),
			"the API server does not accept your credentials\n→ they may have expired; get new ones, or choose another context with --context", ExitUnreachable},
		{"not found", apierrors.NewNotFound(pods, "web"), "pod \"web\" not found\n→ see what there is: kubectl lab get pods", ExitFailed},
		{"namespace not found", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "lab"),
			"namespace \"lab\" not found\n→ create it: kubectl lab create namespace lab; or see what there is: kubectl lab get namespaces", ExitFailed},
		{"exists", apierrors.NewAlreadyExists(pods, "web"), "pods \"web\" already exists\n→ choose another name, or delete it first", ExitFailed},
		{"conflict", apierrors.NewConflict(pods, "web", errors.New("changed")),
			"Operation cannot be fulfilled on pods \"web\": changed\n→ somebody else changed it meanwhile; run the command again", ExitFailed},
		{"bad request", apierrors.NewBadRequest("no"), "no\n→ correct the value and run the command again", ExitFailed},
		{"busy", apierrors.NewTooManyRequests("slow down", 1), "the API server is busy: slow down\n→ run the command again in a moment", ExitUnreachable},
		{"permission", forbidden(`pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "lab"`),
			"forbidden: \"jane\" may not list pods in namespace \"lab\"\n→ ask an administrator for this permission; check with: kubectl auth can-i list pods -n lab", ExitFailed},
		{"permission on a subresource", forbidden(`x is forbidden: User "jane" cannot get resource "deployments/scale" in API group "apps" in the namespace "lab"`),
			"forbidden: \"jane\" may not get deployments.apps/scale in namespace \"lab\"\n→ ask an administrator for this permission; check with: kubectl auth can-i get deployments.apps --subresource=scale -n lab", ExitFailed},
		{"permission on a path", forbidden(`forbidden: User "jane" cannot get path "/readyz"`),
			"forbidden: \"jane\" may not get /readyz\n→ ask an administrator for this permission; check with: kubectl auth can-i get /readyz", ExitFailed},
		{"pod security", forbidden(`pods "x" is forbidden: violates PodSecurity "restricted:latest"`),
			"the API server refused: pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"\n→ the namespace enforces a pod security standard: see its labels with kubectl get namespace --show-labels", ExitFailed},
		{"dying namespace", forbidden(`pods "x" is forbidden: unable to create new content in namespace lab because it is being terminated`),
			"the API server refused: pods \"x\" is forbidden: unable to create new content in namespace lab because it is being terminated\n→ wait until the namespace is gone, create it again, and repeat the command", ExitFailed},
		{"webhook", forbidden("policy says no"), "the API server refused: policy says no", ExitFailed},
		{"no such kind", &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Gizmo"}}, "no matches for kind \"Gizmo\" in group \"\"\n→ see which kinds the cluster has: kubectl api-resources", ExitFailed},
		{"other group", apierrors.NewNotFound(deployments, "web"), "deployment \"web\" not found\n→ see what there is: kubectl lab get deployments", ExitFailed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := explained(test.err); got != test.want {
				t.Errorf("\n got: %s\nwant: %s", got, test.want)
			}
			if e := Explain(test.err); e != nil && (e.Code != test.code || strings.HasSuffix(e.Message, ".")) {
				t.Errorf("exit code %d, want %d; message %q", e.Code, test.code, e.Message)
			}
		})
	}
}

func TestExplainKeepsTheCause(t *testing.T) {
	t.Parallel()
	cause := apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "web")
	if e := Explain(fmt.Errorf("reading: %w", cause)); !apierrors.IsNotFound(e) {
		t.Errorf("the cause is lost: %#v", e)
	}
}

func TestExplainPartial(t *testing.T) {
	t.Parallel()
	one := &PartialError{What: "deleted", Total: 1, Errs: []error{&Error{Message: "m", Hint: "h", Code: ExitFailed}}}
	if got := explained(one); got != "m\n→ h" {
		t.Errorf("one of one: %s", got)
	}
	few := &PartialError{What: "deleted", Total: 3, Errs: []error{errors.New("a"), &Error{Message: "b", Hint: "h", Code: ExitUnreachable}}}
	if got := explained(few); got != "2 of 3 not deleted: a; b\n→ h" || Explain(few).Code != ExitUnreachable {
		t.Errorf("two of three: %s (exit code %d)", got, Explain(few).Code)
	}
	if !errors.Is(few, few.Errs[0]) {
		t.Error("the single errors cannot be found")
	}
	many := &PartialError{What: "deleted", Total: 30}
	for i := range 12 {
		many.Errs = append(many.Errs, fmt.Errorf("e%d", i))
	}
	if got := explained(many); got != "12 of 30 not deleted: e0; e1; e2; e3; e4; e5; e6; e7; e8; e9; and 2 more" {
		t.Errorf("many: %s", got)
	}
	if err := Failures([]Change{{Outcome: OutcomeCreated}}, "created"); err != nil {
		t.Errorf("without failures: %v", err)
	}
}

func TestDenialOf(t *testing.T) {
	t.Parallel()
	got, ok := DenialOf(fmt.Errorf("x: %w", forbidden(`x is forbidden: User "jane" cannot patch resource "nodes" in API group ""`)))
	if diff := cmp.Diff(Denial{User: "jane", Verb: "patch", Resource: "nodes"}, got); !ok || diff != "" {
		t.Errorf("ok %t; -want +got:\n%s", ok, diff)
	}
	for _, err := range []error{nil, errors.New("x"), forbidden("exceeded quota")} {
		if _, ok := DenialOf(err); ok {
			t.Errorf("%v names a permission", err)
		}
	}
}

func TestFileMessage(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		`file "x" does not exist`:      &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist},
		`file "x" may not be read`:     &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission},
		`file "x": is a directory`:     &fs.PathError{Op: "read", Path: "x", Err: syscall.EISDIR},
		`file "x": unexpected trouble`: errors.New("unexpected trouble"),
	} {
		if got := fileMessage("x", err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
