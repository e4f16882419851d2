package inorder_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/identity"
)

func event(id string) connectors.Event {
	return connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: id}}
}

// recorder keeps the ids of what was emitted.
type recorder struct{ ids []string }

func (r *recorder) emit(e connectors.Event) error {
	r.ids = append(r.ids, e.(connectors.Gone).Ref.ID)
	return nil
}

// TestOrder lets later jobs end first: what they bring still comes after.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, width := range []int{-1, 0, 1, 2, 16} {
		synctest.Test(t, func(t *testing.T) {
			var got recorder
			var want []string
			p := inorder.New(t.Context(), width, got.emit)
			defer p.Close()
			const jobs = 9
			begun := time.Now()
			for i := range jobs {
				ids := []string{fmt.Sprint(i, "a"), fmt.Sprint(i, "b"), fmt.Sprint(i, "c")}
				want = append(want, ids...)
				err := p.Start(func(_ context.Context, send func(...connectors.Event) error) error {
					time.Sleep(time.Duration(jobs-i) * time.Second)
					if err := send(event(ids[0]), event(ids[1])); err != nil {
						return err
					}
					return send(event(ids[2]))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Finish(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.ids, want) {
				t.Errorf("width %d: got %q, want %q", width, got.ids, want)
			}
			// Side by side means: with room for all, the longest decides.
			if took := time.Since(begun); width >= jobs && took != jobs*time.Second {
				t.Errorf("width %d took %s, want %d s", width, took, jobs)
			}
		})
	}
}

// TestWidth holds the number of jobs under way to the width.
func TestWidth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got recorder
		p := inorder.New(t.Context(), 3, got.emit)
		defer p.Close()
		under := make(chan struct{}, 3)
		for i := range 20 {
			err := p.Start(func(_ context.Context, send func(...connectors.Event) error) error {
				select {
				case under <- struct{}{}:
				default:
					return errors.New("a fourth job is under way")
				}
				time.Sleep(time.Second)
				<-under
				return send(event(strconv.Itoa(i)))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
		if len(got.ids) != 20 {
			t.Errorf("%d events, want 20", len(got.ids))
		}
	})
}

// TestJobError ends the read at its place: what came before is emitted, what
// comes after is not.
func TestJobError(t *testing.T) {
	t.Parallel()
	broken := errors.New("page 2 is broken")
	var got recorder
	p := inorder.New(t.Context(), 4, got.emit)
	defer p.Close()
	var err error
	for i := range 8 {
		err = p.Start(func(_ context.Context, send func(...connectors.Event) error) error {
			if i == 2 {
				return broken
			}
			return send(event(strconv.Itoa(i)))
		})
		if err != nil {
			break
		}
	}
	if err == nil {
		err = p.Finish()
	}
	if !errors.Is(err, broken) || !slices.Equal(got.ids, []string{"0", "1"}) {
		t.Errorf("emitted %q, error %v", got.ids, err)
	}
}

// TestConsumerStops ends jobs that wait to be heard.
func TestConsumerStops(t *testing.T) {
	t.Parallel()
	stop := errors.New("enough")
	p := inorder.New(t.Context(), 4, func(connectors.Event) error { return stop })
	ended := make(chan error, 4)
	for range 4 {
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			for {
				if err := send(event("again")); err != nil {
					ended <- err
					return err
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Finish(); !errors.Is(err, stop) {
		t.Errorf("Finish: %v", err)
	}
	p.Close() // returns only when all four have ended
	for range 4 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("send: %v", err)
		}
	}
}

// TestCancelled never takes a job that was cut off for one that brought nothing.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var got recorder
	p := inorder.New(ctx, 2, got.emit)
	defer p.Close()
	err := p.Start(func(ctx context.Context, _ func(...connectors.Event) error) error {
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Finish(); !errors.Is(err, context.Canceled) {
		t.Errorf("Finish after the end of the context: %v", err)
	}
}
