// Package traffic sends requests through a Service from inside the cluster and tells how they spread
// over its pods. A short-lived pod sends them, so that they take the way that any pod's requests
// take: DNS or address, kube-proxy's rules, the pod network.
package traffic

import (
	"cmp"
	"slices"
	"time"
)

// Answer is what one request got.
type Answer struct {
	// Number counts the requests from 1.
	Number int
	// At is when the answer came, since the first request.
	At time.Duration
	// Latency is the time from the request to the end of the answer. It includes the start of the
	// HTTP client in the sending pod, about a millisecond.
	Latency time.Duration
	// From is the first line of the answer's body: with --serve-hostname, the name of the pod.
	From string
	// Failure is why there was no answer; empty if there was one.
	Failure string
}

// Share is how many requests one answerer got.
type Share struct {
	// Pod is the pod's name, or the answer's first line if it is no pod's name.
	Pod string `json:"pod"`
	// Known is whether Pod is one of the pods behind the service.
	Known bool `json:"known"`
	// Requests is how many requests it answered.
	Requests int `json:"requests"`
	// Node is the pod's node, if known.
	Node string `json:"node,omitempty"`
}

// Backend is a pod behind the service.
type Backend struct {
	Pod  string
	Node string
}

// Spread is what a series of answers amounts to.
type Spread struct {
	Requests int     `json:"requests"`
	Shares   []Share `json:"shares"`
	// Failures counts the failed requests by reason.
	Failures map[string]int `json:"failures,omitempty"`
	// P50Seconds and P99Seconds are latencies; 99 of 100 answers came within P99Seconds.
	P50Seconds float64 `json:"p50Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
	// Even judges the spread; nil if there is nothing to judge.
	Even *Evenness `json:"even,omitempty"`
}

// Failed is how many requests had no answer.
func (s Spread) Failed() int {
	total := 0
	for _, n := range s.Failures {
		total += n
	}
	return total
}

// Reached is how many of the service's pods answered at least once.
func (s Spread) Reached() int {
	reached := 0
	for _, share := range s.Shares {
		if share.Known && share.Requests > 0 {
			reached++
		}
	}
	return reached
}

// Summarize counts answers over the service's pods. Pods that got no request are listed with zero.
func Summarize(answers []Answer, backends []Backend) Spread {
	spread := Spread{Requests: len(answers), Failures: map[string]int{}}
	counts := map[string]*Share{}
	for _, b := range backends {
		counts[b.Pod] = &Share{Pod: b.Pod, Node: b.Node, Known: true}
	}
	var latencies []time.Duration
	for _, a := range answers {
		if a.Failure != "" {
			spread.Failures[a.Failure]++
			continue
		}
		if counts[a.From] == nil {
			counts[a.From] = &Share{Pod: a.From}
		}
		counts[a.From].Requests++
		latencies = append(latencies, a.Latency)
	}
	for _, share := range counts {
		spread.Shares = append(spread.Shares, *share)
	}
	slices.SortFunc(spread.Shares, func(a, b Share) int { return cmp.Compare(a.Pod, b.Pod) })
	slices.Sort(latencies)
	spread.P50Seconds, spread.P99Seconds = quantile(latencies, 0.50).Seconds(), quantile(latencies, 0.99).Seconds()
	spread.Even = evenness(spread.Shares)
	return spread
}

// quantile is the smallest value that at least q of the sorted values do not exceed (nearest rank).
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}
