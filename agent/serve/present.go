package serve

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// present is the collector of the metrics that are read rather than counted, so
// that a sync that a reload removed is gone from the next scrape.
type present struct{ *Metrics }

// desc describes a metric; the collector makes them anew at each scrape.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// The metrics of present.
func descLastRun() *prometheus.Desc {
	return desc("last_run_timestamp_seconds", "When the last run ended.", "sync")
}

func descLastSuccess() *prometheus.Desc {
	return desc("last_success_timestamp_seconds", "When the last run ended that read everything and tried every change.", "sync")
}

func descNextRun() *prometheus.Desc {
	return desc("next_run_timestamp_seconds", "When the next run is due; absent for syncs that run by command or hook only.", "sync")
}

func descRunning() *prometheus.Desc { return desc("running", "1 while a run is on.", "sync") }

func descQuarantined() *prometheus.Desc {
	return desc("quarantined", "1 while runs pause after repeated failures.", "sync")
}

func descPaused() *prometheus.Desc {
	return desc("paused", "1 while somebody has paused the sync.", "sync")
}

func descFailures() *prometheus.Desc {
	return desc("consecutive_failures", "Runs that failed one after the other.", "sync")
}

func descHeld() *prometheus.Desc {
	return desc("held_changes", "Changes that a guard holds, memberships one by one.", "sync")
}

func descDirty() *prometheus.Desc {
	return desc("dirty_objects", "Objects that are not in step with the target.", "sync")
}

func descOwned() *prometheus.Desc {
	return desc("owned_objects", "Objects at the target that the sync created or adopted.", "sync", "kind")
}

func descSkipped() *prometheus.Desc {
	return desc("skipped_objects", "Objects that the last run left alone: by policy, or because it could not decide.", "sync", "reason")
}

func descRequests() *prometheus.Desc {
	return desc("requests_total", "Requests sent, retries included.", "side", "name")
}

func descRetries() *prometheus.Desc {
	return desc("request_retries_total", "Requests sent again.", "side", "name")
}

func descThrottled() *prometheus.Desc {
	return desc("throttled_total", "Requests answered with slow down.", "side", "name")
}

func descWaited() *prometheus.Desc {
	return desc("wait_seconds_total", "Time spent waiting for limits.", "side", "name")
}

func descExpiry() *prometheus.Desc {
	return desc("credential_expiry_timestamp_seconds", "When the credential ends; absent where nobody can tell.", "side", "name")
}

// Describe names every metric of the collector.
func (*present) Describe(out chan<- *prometheus.Desc) {
	for _, d := range [...]func() *prometheus.Desc{
		descLastRun, descLastSuccess, descNextRun, descRunning, descQuarantined, descPaused, descFailures, descHeld,
		descDirty, descOwned, descSkipped, descRequests, descRetries, descThrottled, descWaited, descExpiry,
	} {
		out <- d()
	}
}

// Collect reads how things stand.
func (p *present) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	moment := func(d *prometheus.Desc, at time.Time, labels ...string) {
		if !at.IsZero() {
			gauge(d, seconds(at), labels...)
		}
	}
	state := p.present()
	for _, s := range state.Syncs {
		moment(descLastRun(), s.LastRun, s.Name)
		moment(descLastSuccess(), s.LastSuccess, s.Name)
		moment(descNextRun(), s.NextRun, s.Name)
		gauge(descRunning(), truth(s.Running), s.Name)
		gauge(descQuarantined(), truth(s.Quarantined), s.Name)
		gauge(descPaused(), truth(s.Paused), s.Name)
		gauge(descFailures(), float64(s.Failures), s.Name)
		if c := s.Counts; c != nil {
			gauge(descHeld(), float64(c.Held), s.Name)
			gauge(descDirty(), float64(c.Dirty), s.Name)
			gauge(descOwned(), float64(c.Users), s.Name, "user")
			gauge(descOwned(), float64(c.Groups), s.Name, "group")
			gauge(descSkipped(), float64(c.Skipped), s.Name, "policy")
			gauge(descSkipped(), float64(c.Undecided), s.Name, "undecided")
		}
	}
	for _, c := range state.Credentials {
		moment(descExpiry(), c.Expires, c.Side, c.Name)
	}
	counter := func(d *prometheus.Desc, value float64, e end) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, e.side, e.name)
	}
	for _, w := range p.wires() {
		counter(descRequests(), float64(w.traffic.Requests.Load()), w.end)
		counter(descRetries(), float64(w.traffic.Retries.Load()), w.end)
		counter(descThrottled(), float64(w.traffic.Throttled.Load()), w.end)
		counter(descWaited(), w.traffic.Waited().Seconds(), w.end)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func compare(a, b end) int {
	return cmp.Or(cmp.Compare(a.side, b.side), cmp.Compare(a.name, b.name))
}
