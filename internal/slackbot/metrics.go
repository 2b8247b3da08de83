package slackbot

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what /metrics shows. Labels hold verbs, outcomes and statuses, never words of a user.
type metrics struct {
	registry *prometheus.Registry

	commands       *prometheus.CounterVec
	duration       *prometheus.HistogramVec
	ack            prometheus.Histogram
	envelopes      *prometheus.CounterVec
	late           prometheus.Counter
	slackResponses *prometheus.CounterVec
	panics         prometheus.Counter
	abandoned      prometheus.Counter
	sockets        prometheus.Gauge
	running        prometheus.Gauge
	queued         prometheus.Gauge
	reloads        *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "labbot_commands_total", Help: "Commands answered, by verb and outcome.",
		}, []string{"verb", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "labbot_command_duration_seconds", Help: "Time from the receipt of a command to its answer.",
			Buckets: []float64{.1, .5, 1, 5, 15, 60, 300},
		}, []string{"verb"}),
		ack: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "labbot_ack_duration_seconds", Help: "Time from the receipt of an envelope to its acknowledgement. Slack allows 3 seconds.",
			Buckets: []float64{.005, .01, .05, .1, .25, .5, 1, 3},
		}),
		envelopes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "labbot_envelopes_total", Help: "Deliveries from Slack, by result: accepted, duplicate, busy, refused, ignored, invalid.",
		}, []string{"result"}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "labbot_commands_recorded_late_total", Help: "Commands that could not be recorded before they had to be acknowledged.",
		}),
		slackResponses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "labbot_slack_responses_total", Help: "Slack's answers to the bot's requests, by HTTP status; 429 is a rate limit.",
		}, []string{"status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "labbot_panics_total", Help: "Commands that ended by a mistake in the program.",
		}),
		abandoned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "labbot_abandoned_total", Help: "Commands that did not end although their time was over.",
		}),
		sockets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "labbot_sockets", Help: "Open Socket Mode connections."}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "labbot_commands_running", Help: "Commands at work."}),
		queued:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "labbot_commands_queued", Help: "Commands that wait for a worker."}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "labbot_config_reloads_total", Help: "Changes of the configuration file, by result.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.commands, m.duration, m.ack, m.envelopes, m.late, m.slackResponses, m.panics, m.abandoned,
		m.sockets, m.running, m.queued, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
