package serve

import (
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scimsync/scimsync/connectors"
)

const namespace = "scimsync"

// Metrics counts what the daemon does, for Prometheus. Labels hold names of the
// configuration and words of this program, never anything of a directory. It is
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	runs, changes, notifications, hooks *prometheus.CounterVec
	duration                            *prometheus.HistogramVec
	reloaded, reloadedAt                prometheus.Gauge

	mu      sync.Mutex
	watch   func() State
	traffic map[end]*connectors.Traffic
}

// end names a source or target.
type end struct{ side, name string }

// NewMetrics returns the metrics of one process of a version.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &Metrics{
		registry:      prometheus.NewPedanticRegistry(),
		runs:          counter("runs_total", "Runs that ended, by result.", "sync", "result"),
		changes:       counter("changes_total", "Changes of runs, memberships one by one, by what became of them.", "sync", "kind", "op", "outcome"),
		notifications: counter("notifications_total", "Messages to notifiers, by outcome (sent, failed).", "notifier", "outcome"),
		hooks:         counter("hooks_total", "Calls of POST /hooks/SYNC, by outcome; sync is empty where it is unknown.", "sync", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "run_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200},
		}, []string{"sync"}),
		reloaded:   gauge("config_reload_success", "1 when the configuration was last read without a mistake, else 0."),
		reloadedAt: gauge("config_reload_timestamp_seconds", "When the configuration in force was read."),
		traffic:    map[end]*connectors.Traffic{},
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the label is the version.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.runs, m.changes, m.notifications, m.hooks, m.duration, m.reloaded, m.reloadedAt, build, &present{m},
	)
	return m
}

func (m *Metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Ran counts a run that ended.
func (m *Metrics) Ran(sync, result string, took time.Duration) {
	m.runs.WithLabelValues(sync, result).Inc()
	m.duration.WithLabelValues(sync).Observe(took.Seconds())
}

// Changed counts changes of one sort and what became of them.
func (m *Metrics) Changed(sync, kind, op, outcome string, n int) {
	m.changes.WithLabelValues(sync, kind, op, outcome).Add(float64(n))
}

// Notified counts a message to a notifier; err is nil when it was sent.
func (m *Metrics) Notified(notifier string, err error) {
	outcome := "sent"
	if err != nil {
		outcome = "failed"
	}
	m.notifications.WithLabelValues(notifier, outcome).Inc()
}

// Hooked counts a call of a hook.
func (m *Metrics) Hooked(sync, outcome string) { m.hooks.WithLabelValues(sync, outcome).Inc() }

// Reloaded records that the configuration was read; err is what is wrong with it.
func (m *Metrics) Reloaded(at time.Time, err error) {
	if err != nil {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
	m.reloadedAt.Set(seconds(at))
}

// Traffic returns what counts the requests of a source or target: one counter
// for as long as the process lives, whatever is reloaded.
func (m *Metrics) Traffic(side, name string) *connectors.Traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := end{side, name}
	if m.traffic[key] == nil {
		m.traffic[key] = &connectors.Traffic{}
	}
	return m.traffic[key]
}

// Watch sets where the present state is asked for at each scrape. It must answer
// at once: from memory.
func (m *Metrics) Watch(state func() State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watch = state
}

func (m *Metrics) present() State {
	m.mu.Lock()
	watch := m.watch
	m.mu.Unlock()
	if watch == nil {
		return State{}
	}
	return watch()
}

// wires returns the traffic of every end, in order.
func (m *Metrics) wires() []wire {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]wire, 0, len(m.traffic))
	for e, t := range m.traffic {
		out = append(out, wire{e, t})
	}
	slices.SortFunc(out, func(a, b wire) int { return compare(a.end, b.end) })
	return out
}

type wire struct {
	end
	traffic *connectors.Traffic
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
