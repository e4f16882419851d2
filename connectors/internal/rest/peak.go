package rest

import "time"

// peak counts answers by tenths of a second.
type peak struct {
	slots [peakSlots]float64
	last  int64 // tenths of a second since 1970
}

const peakSlots = 10

// add counts an answer.
func (p *peak) add(now time.Time) {
	slot := now.UnixMilli() / 100
	for gap := min(slot-p.last, peakSlots); gap > 0; gap-- {
		p.slots[(slot-gap+1)%peakSlots] = 0
	}
	p.last = max(p.last, slot)
	p.slots[slot%peakSlots]++
}

// perSecond returns the most answers a second there were lately, for a tenth of one.
func (p *peak) perSecond() float64 {
	most := 0.0
	for _, n := range p.slots {
		most = max(most, 10*n)
	}
	return most
}
