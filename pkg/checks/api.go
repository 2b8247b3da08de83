package checks

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
)

// What the API server is held to.
const (
	// slowAnswer is the latency that Kubernetes' own objective allows for reading a single object.
	// See https://github.com/kubernetes/community/blob/main/sig-scalability/slos/api_call_latency.md.
	slowAnswer = time.Second
	// clockTolerance is what NTP-less machines drift apart within weeks; tokens and leases start to
	// suffer beyond it.
	clockTolerance = 10 * time.Second
	// certificateNotice is how long before its end a certificate should be renewed. kubeadm's last a
	// year, and "kubeadm upgrade" renews them.
	certificateNotice = 30 * 24 * time.Hour
	// newestMinor is the newest minor version that this program was built and tested with; the
	// project maintains the newest three. See https://kubernetes.io/releases/version-skew-policy/.
	newestMinor = 37
	maintained  = 3
)

func apiChecks() []Check {
	return []Check{
		{
			ID: reachable, Category: CategoryAPI, Severity: Fatal, Retry: true,
			Asserts: "the API server answers",
			Hint:    "is the cluster running, and is the address right? kubectl config view --minify",
			uses:    readings(server), run: checkReachable,
		},
		{
			ID: "api-latency", Category: CategoryAPI, Severity: Warning, Retry: true,
			Asserts: "it answers within a second",
			Hint:    "look at the load of the control plane's machines and at etcd's disk: kubectl get --raw '/readyz?verbose'",
			reads:   readings(server), run: checkLatency,
		},
		{
			ID: "api-version", Category: CategoryAPI, Severity: Warning,
			Asserts: "its version is maintained",
			Hint:    "upgrade one minor version at a time; with Kubespray: ansible-playbook upgrade-cluster.yml",
			reads:   readings(server), run: checkVersion,
		},
		{
			ID: "api-certificate", Category: CategoryAPI, Severity: Error,
			Asserts: "its certificate is valid for another 30 days",
			Hint:    "renew it: kubeadm certs renew all, then restart the control plane's static pods",
			reads:   readings(server), run: checkCertificate,
		},
		{
			ID: "api-tls", Category: CategoryAPI, Severity: Warning,
			Asserts: "the connection is encrypted, and the server's certificate is verified",
			Hint:    "put the cluster's CA into certificate-authority-data of your kubeconfig, and remove insecure-skip-tls-verify",
			reads:   readings(server), run: checkTLS,
		},
		{
			ID: "api-clock", Category: CategoryAPI, Severity: Warning,
			Asserts: "its clock agrees with this machine's",
			Hint:    "set the clocks by NTP on all machines: timedatectl set-ntp true",
			reads:   readings(server), run: checkClock,
		},
		{
			ID: "api-readyz", Category: CategoryAPI, Severity: Error, Retry: true,
			Asserts: "every part of it is ready",
			Hint:    "see the parts, and then the API server's log: kubectl get --raw '/readyz?verbose'",
			reads:   readings(readyz), run: checkReadyz,
		},
		{
			ID: "api-livez", Category: CategoryAPI, Severity: Error, Retry: true,
			Asserts: "every part of it is alive",
			Hint:    "see the parts, and then the API server's log: kubectl get --raw '/livez?verbose'",
			reads:   readings(readyz, livez), run: checkLivez,
		},
		{
			ID: "api-aggregation", Category: CategoryAPI, Severity: Error, Retry: true,
			Asserts: "the aggregated API services are available",
			Hint:    "see why, and the pods behind its service: kubectl describe apiservice NAME",
			reads:   readings(apiServices), run: checkAggregation,
		},
		{
			ID: "api-webhooks", Category: CategoryAPI, Severity: Error, Retry: true,
			Asserts: "the admission webhooks that must answer have somebody to answer",
			Hint:    "start the webhook's pods again, or remove its configuration if its program is gone",
			reads:   readings(webhooks, services, endpointsOf), run: checkWebhooks,
		},
		{
			ID: "api-namespaces", Category: CategoryAPI, Severity: Warning, Retry: true,
			Asserts: "no namespace is stuck while it is removed",
			Hint:    "see what holds it: kubectl get namespace NAME -o jsonpath='{.status.conditions}'",
			reads:   readings(namespaces), run: checkNamespaces,
		},
		{
			ID: "api-answers", Category: CategoryAPI, Severity: Error, Retry: true,
			Asserts: "every question of the other checks was answered",
			Hint:    "run the command again; if it stays, look at the API server's log",
			Needs:   []string{"control-plane-etcd"},
			run:     checkAnswers, last: true,
		},
	}
}

func checkReachable(_ context.Context, s *Snapshot) Outcome {
	if err := s.server.failure(); err != nil {
		return failf(nil, "%s", s.words(err))
	}
	return passf("%s", s.server.get().url)
}

func checkLatency(_ context.Context, s *Snapshot) Outcome {
	latency := s.server.get().latency.Round(time.Millisecond)
	if latency > slowAnswer {
		return failf(nil, "GET /version took %s", latency)
	}
	return passf("%s", max(latency, time.Millisecond))
}

func checkVersion(_ context.Context, s *Snapshot) Outcome {
	text := s.server.get().gitVersion
	if text == "" {
		return notPermitted(toGetPath("/version"))
	}
	v, err := version.ParseGeneric(text)
	if err != nil {
		return failf(nil, "version %q cannot be read", text)
	}
	oldest := version.MajorMinor(1, newestMinor-maintained+1)
	newest := version.MajorMinor(1, newestMinor)
	switch {
	case v.LessThan(oldest):
		return failf(nil, "%s is no longer maintained; the oldest maintained minor version is v%s", text, oldest)
	case version.MajorMinor(v.Major(), v.Minor()).GreaterThan(newest):
		return failf(nil, "%s is newer than v%s, which this program was tested with", text, newest).as(Info).
			hintf("update kubectl lab: kubectl krew upgrade lab")
	}
	return passf("%s", text)
}

func checkCertificate(_ context.Context, s *Snapshot) Outcome {
	chain := s.server.get().chain
	if len(chain) == 0 {
		return skipf("the connection is not encrypted")
	}
	first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	left := first.NotAfter.Sub(s.now())
	until := first.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		return failf(nil, "the certificate of %q ended on %s", first.Subject.CommonName, until)
	case left < certificateNotice:
		return failf(nil, "the certificate of %q ends in %s, on %s", first.Subject.CommonName, days(left), until).as(Warning)
	}
	return passf("%s, until %s", days(left), until)
}

func days(d time.Duration) string { return count(int(d.Hours()/24), "day") }

func checkTLS(_ context.Context, s *Snapshot) Outcome {
	switch info := s.server.get(); {
	case info.plain:
		return failf(nil, "the connection to %s is not encrypted", info.url)
	case info.insecure:
		return failf(nil, "the certificate of %s is not verified (insecure-skip-tls-verify)", info.url)
	}
	return passf("")
}

func checkClock(_ context.Context, s *Snapshot) Outcome {
	info := s.server.get()
	if !info.hasDate {
		return skipf("the answer carries no date")
	}
	skew := info.skew.Round(time.Second)
	switch {
	case skew > clockTolerance:
		return failf(nil, "the API server's clock is %s ahead of this machine's", skew)
	case -skew > clockTolerance:
		return failf(nil, "the API server's clock is %s behind this machine's", -skew)
	}
	return passf("")
}

// isEtcd picks the parts of /readyz and /livez that are etcd's; they have a check of their own.
func isEtcd(part string) bool { return strings.HasPrefix(part, "etcd") }

func isNotEtcd(part string) bool { return !isEtcd(part) }

func checkReadyz(_ context.Context, s *Snapshot) Outcome {
	h := s.readyz.get()
	if broken := h.broken(isNotEtcd); len(broken) > 0 {
		return failf(nil, "not ready: %s", partNames(broken))
	}
	return passf("%s", count(len(h.parts), "part"))
}

// checkLivez leaves out the parts that /readyz names already, so that one fault is one finding.
func checkLivez(_ context.Context, s *Snapshot) Outcome {
	unready := s.readyz.get().broken(func(string) bool { return true })
	broken := s.livez.get().broken(func(name string) bool {
		return !slices.ContainsFunc(unready, func(p healthPart) bool { return p.name == name })
	})
	if len(broken) > 0 {
		return failf(nil, "not alive: %s", partNames(broken))
	}
	return passf("%s", count(len(s.livez.get().parts), "part"))
}

func partNames(parts []healthPart) string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return names(all)
}

func checkAggregation(_ context.Context, s *Snapshot) Outcome {
	var found problems
	aggregated := 0
	for _, a := range s.apiServices.get() {
		if !a.local() {
			aggregated++
		}
		if a.available != "True" {
			object := Object{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService", Name: a.name}
			found.addf(object, "apiservice %s (%s): available is %s", a.name, a.service, a.available)
		}
	}
	if aggregated == 0 {
		return found.outcome(passf("none aggregated"))
	}
	return found.outcome(passf("%d aggregated", aggregated))
}

func checkWebhooks(_ context.Context, s *Snapshot) Outcome {
	exists := map[string]bool{}
	for _, svc := range s.services.get() {
		exists[svc.key()] = true
	}
	var found problems
	for _, w := range s.webhooks.get() {
		switch {
		case w.service == "":
		case !exists[w.service]:
			found.addf(w.object(), "webhook %s refuses requests: its service %s does not exist", w.name, w.service)
		case s.endpoints.get()[w.service].ready == 0:
			found.addf(w.object(), "webhook %s refuses requests: its service %s has no ready endpoint", w.name, w.service)
		}
	}
	return found.outcome(passf("%s with failure policy Fail", count(len(s.webhooks.get()), "webhook")))
}

func checkNamespaces(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, ns := range s.namespaces.get() {
		if ns.deleted == nil {
			continue
		}
		if age := s.age(*ns.deleted); age > 2*s.patience {
			found.addf(Object{APIVersion: "v1", Kind: "Namespace", Name: ns.name}, "namespace %s is being removed since %s", ns.name, ago(age))
		}
	}
	return found.outcome(passf("%s", count(len(s.namespaces.get()), "namespace")))
}

// checkAnswers fails if something could not be read for another reason than a missing permission:
// the checks that needed it were skipped, and nobody should take that for health.
func checkAnswers(_ context.Context, s *Snapshot) Outcome {
	var failed []string
	asked, refused := 0, 0
	for _, r := range s.allReadings {
		if !r.finished() {
			continue
		}
		asked++
		switch err := r.failure(); {
		case isForbidden(err):
			refused++
		case err != nil:
			failed = append(failed, fmt.Sprintf("%s: %s", r.name(), s.words(err)))
		}
	}
	if len(failed) > 0 {
		return failf(nil, "could not read %s", some(failed, "; "))
	}
	if refused > 0 {
		return passf("%s, but for %d that you may not ask", count(asked, "question"), refused)
	}
	return passf("%s", count(asked, "question"))
}
