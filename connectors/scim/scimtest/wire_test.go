package scimtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// wireCase is a hazard that shows on a real connection only.
type wireCase struct {
	hazards Hazards
	status  int    // 0: no answer at all
	body    string // whole, half, slow, endless or none
	created bool   // the user is there afterwards
}

func wireHazards() map[string]wireCase {
	posts := When{Every: 1, Method: "POST", Times: 1}
	return map[string]wireCase{
		"DropBefore":      {Hazards{DropBefore: posts}, 0, "none", false},
		"LoseAnswerAfter": {Hazards{LoseAnswerAfter: When{Every: 1, Method: "POST", Match: "new@"}}, 0, "none", true},
		"HalfBody":        {Hazards{HalfBody: posts}, 201, "half", true},
		"SlowBody":        {Hazards{SlowBody: posts, SlowBodyPause: time.Millisecond}, 201, "whole", true},
		"EndlessBody":     {Hazards{EndlessBody: posts}, 201, "endless", true},
	}
}

func TestWireHazards(t *testing.T) {
	t.Parallel()
	for name, c := range wireHazards() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *Options) { o.Hazards = c.hazards })
			base, stop := h.Start()
			defer stop()
			began := time.Now()
			status, n, err := post(t, base+"/Users", userBody("new@example.com", ""))
			if status != c.status {
				t.Errorf("status %d, want %d: %v", status, c.status, err)
			}
			switch c.body {
			case "none":
				if err == nil {
					t.Error("there was an answer")
				}
			case "half":
				if !errors.Is(err, io.ErrUnexpectedEOF) || n == 0 {
					t.Errorf("read %d bytes: %v", n, err)
				}
			case "endless":
				if err != nil || n != readAtMost {
					t.Errorf("read %d bytes: %v", n, err)
				}
			case "whole":
				if err != nil || n == 0 || time.Since(began) < 16*time.Millisecond {
					t.Errorf("read %d bytes in %v: %v", n, time.Since(began), err)
				}
			}
			if _, ok := h.Find(identity.User, "new@example.com"); ok != c.created {
				t.Errorf("created: %t, want %t", ok, c.created)
			}
			if h.Fired()[name] != 1 || h.Requests()["POST /Users"] != 1 {
				t.Errorf("fired %v, requests %v", h.Fired(), h.Requests())
			}
		})
	}
}

const readAtMost = 1 << 20

func post(t *testing.T, url, body string) (int, int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", mediaType)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(answer.Body, readAtMost))
	return answer.StatusCode, int(n), err
}
