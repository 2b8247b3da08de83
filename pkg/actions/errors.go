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
	"regexp"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExitCode is a process's exit code; docs/exit-codes.md lists them for users.
type ExitCode int

// The exit codes of kubectl lab.
const (
	// ExitOK: done, and nothing is broken. Warnings are allowed.
	ExitOK ExitCode = 0
	// ExitFailed: the action failed in whole or in part, or found something broken.
	ExitFailed ExitCode = 1
	// ExitUsage: the command line or a file named on it is wrong; nothing was sent to the cluster.
	ExitUsage ExitCode = 2
	// ExitUnreachable: the cluster could not be asked: no kubeconfig, no connection, no valid
	// credentials.
	ExitUnreachable ExitCode = 3
	// ExitInterrupted: ended by Ctrl-C, as shells count it (128 + SIGINT).
	ExitInterrupted ExitCode = 130
)

// Error is what a person reads: what went wrong, naming the object, and the way out.
type Error struct {
	// Message is one sentence without a final period.
	Message string
	// Hint says what to do next, possibly a command; may be empty.
	Hint string
	// Code is the exit code that fits.
	Code ExitCode
	// Err is the cause, for errors.Is and errors.As.
	Err error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// UsageErrorf says that the command line is wrong. The text names the flag or argument.
func UsageErrorf(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Code: ExitUsage}
}

// PartialError says that an operation failed for some of its objects.
type PartialError struct {
	// What is the operation in the past tense, such as "labeled".
	What string
	// Total is how many objects there were.
	Total int
	// Errs holds one error for each object that failed, naming it.
	Errs []error
	// InResult is whether the result's document shows each of Errs with its way out.
	InResult bool
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("%d of %d not %s", len(e.Errs), e.Total, e.What)
}

// Unwrap returns the single errors.
func (e *PartialError) Unwrap() []error { return e.Errs }

// Explain turns any error into one that a person can act on. Errors that are an Error already stay
// as they are; nil stays nil.
func Explain(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	var partial *PartialError
	switch {
	case errors.As(err, &partial):
		return explainPartial(partial)
	case errors.As(err, &known):
		return known
	}
	for _, explain := range explainers() {
		if e := explain(err); e != nil {
			e.Err = err
			return e
		}
	}
	return &Error{Message: err.Error(), Code: ExitFailed, Err: err}
}

// explainers are asked in order; the first that knows the error answers.
func explainers() []func(error) *Error {
	return []func(error) *Error{
		explainContext,
		explainForbidden,
		explainStatus,
		explainCertificate,
		explainNetwork,
		explainNoMatch,
	}
}

func explainPartial(p *PartialError) *Error {
	e := &Error{Message: p.Error(), Code: ExitFailed, Err: p}
	lines := make([]string, 0, len(p.Errs))
	for _, err := range p.Errs {
		one := Explain(err)
		if one.Code == ExitUnreachable || one.Code == ExitInterrupted {
			e.Code = one.Code
		}
		lines = append(lines, one.Message)
		if e.Hint == "" {
			e.Hint = one.Hint
		}
	}
	const most = 10
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d more", len(lines)-most))
	}
	if p.Total == 1 {
		e.Message = lines[0]
		return e
	}
	e.Message += ": " + strings.Join(lines, "; ")
	return e
}

func explainContext(err error) *Error {
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Message: "interrupted", Code: ExitInterrupted}
	case errors.Is(err, context.DeadlineExceeded) && !isNetwork(err):
		return &Error{Message: "timed out", Hint: "raise --timeout", Code: ExitFailed}
	}
	return nil
}

// forbiddenText is the wording of the API server's RBAC authorizer
// (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters: forbiddenMessage).
var forbiddenText = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)

// forbiddenPath is the same for a path that is no resource, such as /readyz.
var forbiddenPath = regexp.MustCompile(`User "([^"]*)" cannot (\S+) path "([^"]*)"`)

// Denial is what a Forbidden answer says: who may not do what, and where.
type Denial struct {
	User, Verb, Resource, Group, Namespace, Name, Path string
}

// DenialOf reads the permission that a Forbidden error misses; ok is false if err is no such error
// or an admission plugin's, which names no permission. The error may be wrapped, and be one of several.
func DenialOf(err error) (d Denial, ok bool) {
	var status apierrors.APIStatus
	if !apierrors.IsForbidden(err) || !errors.As(err, &status) {
		return Denial{}, false
	}
	text := status.Status().Message
	if m := forbiddenText.FindStringSubmatch(text); m != nil {
		d = Denial{User: m[1], Verb: m[2], Resource: m[3], Group: m[4], Namespace: m[5]}
		if details := status.Status().Details; details != nil {
			d.Name = details.Name
		}
		return d, true
	}
	if m := forbiddenPath.FindStringSubmatch(text); m != nil {
		return Denial{User: m[1], Verb: m[2], Path: m[3]}, true
	}
	return Denial{}, false
}

// String says what is missing, such as `list pods in namespace "default"`.
func (d Denial) String() string {
	if d.Path != "" {
		return d.Verb + " " + d.Path
	}
	s := d.Verb + " " + d.resource()
	if d.Namespace != "" {
		s += fmt.Sprintf(" in namespace %q", d.Namespace)
	}
	return s
}

func (d Denial) resource() string {
	if d.Group == "" {
		return d.Resource
	}
	resource, sub, found := strings.Cut(d.Resource, "/")
	resource += "." + d.Group
	if found {
		resource += "/" + sub
	}
	return resource
}

// CanI is the command that asks the cluster about the permission.
func (d Denial) CanI() string {
	if d.Path != "" {
		return fmt.Sprintf("kubectl auth can-i %s %s", d.Verb, d.Path)
	}
	resource, sub, found := strings.Cut(d.Resource, "/")
	if d.Group != "" {
		resource += "." + d.Group
	}
	line := fmt.Sprintf("kubectl auth can-i %s %s", d.Verb, resource)
	if found {
		line += " --subresource=" + sub
	}
	if d.Namespace != "" {
		line += " -n " + d.Namespace
	}
	return line
}

func explainForbidden(err error) *Error {
	if !apierrors.IsForbidden(err) {
		return nil
	}
	d, ok := DenialOf(err)
	if !ok {
		return explainAdmission(err)
	}
	return &Error{
		Message: fmt.Sprintf("forbidden: %q may not %s", d.User, d),
		Hint:    "ask an administrator for this permission; check with: " + d.CanI(),
		Code:    ExitFailed,
	}
}

// explainAdmission is for refusals that miss no permission: an admission plugin's or webhook's.
func explainAdmission(err error) *Error {
	e := &Error{Message: "the API server refused: " + statusMessage(err), Code: ExitFailed}
	switch {
	case strings.Contains(e.Message, "exceeded quota"):
		e.Hint = "the namespace's quota is used up: delete something, or ask for more"
	case strings.Contains(e.Message, "violates PodSecurity"):
		e.Hint = "the namespace enforces a pod security standard: see its labels with kubectl get namespace --show-labels"
	case strings.Contains(e.Message, "is being terminated"):
		e.Hint = "wait until the namespace is gone, create it again, and repeat the command"
	}
	return e
}

func explainStatus(err error) *Error {
	text := statusMessage(err)
	switch {
	case apierrors.IsUnauthorized(err):
		return &Error{
			Message: "the API server does not accept your credentials",
			Hint:    "they may have expired; get new ones, or choose another context with --context",
			Code:    ExitUnreachable,
		}
	case apierrors.IsNotFound(err):
		return &Error{Message: notFoundMessage(err), Hint: notFoundHint(err), Code: ExitFailed}
	case apierrors.IsAlreadyExists(err):
		return &Error{Message: text, Hint: "choose another name, or delete it first", Code: ExitFailed}
	case apierrors.IsConflict(err):
		return &Error{Message: text, Hint: "somebody else changed it meanwhile; run the command again", Code: ExitFailed}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &Error{Message: text, Hint: "correct the value and run the command again", Code: ExitFailed}
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.IsTimeout(err):
		return &Error{Message: "the API server is busy: " + text, Hint: "run the command again in a moment", Code: ExitUnreachable}
	}
	return nil
}

func statusMessage(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Message != "" {
		return status.Status().Message
	}
	return err.Error()
}

func statusDetails(err error) metav1.StatusDetails {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		return *status.Status().Details
	}
	return metav1.StatusDetails{}
}

func notFoundMessage(err error) string {
	d := statusDetails(err)
	if d.Name == "" {
		return statusMessage(err)
	}
	return fmt.Sprintf("%s %q not found", strings.TrimSuffix(d.Kind, "s"), d.Name)
}

func notFoundHint(err error) string {
	d := statusDetails(err)
	switch d.Kind {
	case "":
		return ""
	case "namespaces":
		return fmt.Sprintf("create it: kubectl lab create namespace %s; or see what there is: kubectl lab get namespaces", d.Name)
	}
	return fmt.Sprintf("see what there is: kubectl lab get %s", d.Kind)
}

func explainCertificate(err error) *Error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return &Error{
			Message: fmt.Sprintf("the certificate of %s is signed by an unknown authority", serverOf(err)),
			Hint:    "is this the right cluster? check certificate-authority-data of the context in your kubeconfig",
			Code:    ExitUnreachable,
		}
	case errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &verify):
		return &Error{
			Message: fmt.Sprintf("the certificate of %s is not valid: %s", serverOf(err), rootCause(err)),
			Hint:    "check the server address in your kubeconfig and the certificate's dates (kubeadm certs check-expiration)",
			Code:    ExitUnreachable,
		}
	}
	return nil
}

func isNetwork(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && serverOf(err) != unknownServer
}

func explainNetwork(err error) *Error {
	var dns *net.DNSError
	var netErr net.Error
	server := serverOf(err)
	const hint = "is the cluster running? check the server address: kubectl config view --minify"
	switch {
	case errors.As(err, &dns):
		return &Error{Message: fmt.Sprintf("cannot resolve the name of the API server %s", server), Hint: hint, Code: ExitUnreachable}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Message: fmt.Sprintf("the API server %s refused the connection", server), Hint: hint, Code: ExitUnreachable}
	case errors.As(err, &netErr) && netErr.Timeout():
		return &Error{Message: fmt.Sprintf("the API server %s did not answer in time", server), Hint: hint + "; or raise --request-timeout", Code: ExitUnreachable}
	case errors.As(err, &netErr):
		return &Error{Message: fmt.Sprintf("cannot reach the API server %s: %s", server, rootCause(err)), Hint: hint, Code: ExitUnreachable}
	}
	return nil
}

func explainNoMatch(err error) *Error {
	if !meta.IsNoMatchError(err) {
		return nil
	}
	return &Error{
		Message: err.Error(),
		Hint:    "see which kinds the cluster has: kubectl api-resources",
		Code:    ExitFailed,
	}
}

const unknownServer = "(unknown address)"

// serverOf is the host that a failed request was for.
func serverOf(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		if u, perr := url.Parse(urlErr.URL); perr == nil && u.Host != "" {
			return u.Host
		}
	}
	return unknownServer
}

// rootCause is the innermost error's text: the part that differs from one failure to the next.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func fileMessage(name string, err error) string {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("file %q does not exist", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("file %q may not be read", name)
	case errors.As(err, &pathErr):
		return fmt.Sprintf("file %q: %v", name, pathErr.Err)
	default:
		return fmt.Sprintf("file %q: %v", name, err)
	}
}
