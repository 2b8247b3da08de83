package traffic

import (
	"fmt"

	"gonum.org/v1/gonum/mathext"
)

// Evenness compares a spread with the one that choosing a pod at random for each request, all alike,
// would give. kube-proxy chooses so in its iptables and nftables modes
// (https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-modes); ipvs goes round-robin
// by default, which is more even than chance.
type Evenness struct {
	// ChiSquared is Pearson's statistic: the sum of (got-expected)²/expected over the pods.
	ChiSquared float64 `json:"chiSquared"`
	// Degrees of freedom: the number of pods less one.
	Degrees int `json:"degreesOfFreedom"`
	// P is the probability that chance alone gives a spread at least as uneven.
	P float64 `json:"p"`
}

// suspicious is the probability below which chance is no good explanation any more.
const suspicious = 0.001

// fewest is how many requests a pod must expect for the statistic to mean something, a common rule
// of thumb for Pearson's test.
const fewest = 5

// evenness judges the pods' shares; nil if fewer than two pods are known, an answer came from
// elsewhere, or the requests are too few to tell.
func evenness(shares []Share) *Evenness {
	total := 0
	for _, s := range shares {
		if !s.Known {
			return nil
		}
		total += s.Requests
	}
	if len(shares) < 2 || total < fewest*len(shares) {
		return nil
	}
	expected := float64(total) / float64(len(shares))
	e := &Evenness{Degrees: len(shares) - 1}
	for _, s := range shares {
		difference := float64(s.Requests) - expected
		e.ChiSquared += difference * difference / expected
	}
	e.P = mathext.GammaIncRegComp(float64(e.Degrees)/2, e.ChiSquared/2)
	return e
}

// Plausible reports whether the spread looks like a random choice with equal chances.
func (e Evenness) Plausible() bool { return e.P >= suspicious }

// String says it in plain words.
func (e Evenness) String() string {
	figures := fmt.Sprintf("chi-squared %.1f with %d degrees of freedom, p = %.2g", e.ChiSquared, e.Degrees, e.P)
	switch {
	case e.P > 0.999:
		return "more even than chance would make it, as round-robin is (" + figures + ")"
	case e.Plausible():
		return "as even as a random choice among the pods would make it (" + figures + ")"
	default:
		return "uneven: a random choice among the pods would hardly give this (" + figures + ")"
	}
}
