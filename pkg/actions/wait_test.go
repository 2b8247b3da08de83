package actions

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// scripted is a collection whose lists and watches follow a script: what a real API server does only
// after hours.
type scripted struct {
	lists   [][]*corev1.Pod
	watches []func(*watch.FakeWatcher)
	from    []string // the resource versions watched from
}

func (s *scripted) collection() collection[*corev1.Pod] {
	return collection[*corev1.Pod]{
		list: func(context.Context, metav1.ListOptions) ([]*corev1.Pod, string, error) {
			if len(s.lists) == 0 {
				return nil, "", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no more"))
			}
			items := s.lists[0]
			s.lists = s.lists[1:]
			return items, string(rune('a' + len(s.lists))), nil
		},
		watch: func(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
			s.from = append(s.from, options.ResourceVersion)
			w := watch.NewFakeWithChanSize(10, false)
			s.watches[0](w)
			s.watches = s.watches[1:]
			return w, nil
		},
	}
}

func named(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}
}

// TestUntilListsAgain checks that no change is lost when a watch's resource version has expired, or the
// server closes it.
func TestUntilListsAgain(t *testing.T) {
	t.Parallel()
	s := &scripted{
		lists: [][]*corev1.Pod{{named("a")}, {named("a"), named("b")}, {named("c")}},
		watches: []func(*watch.FakeWatcher){
			func(w *watch.FakeWatcher) {
				w.Error(&metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired})
			},
			func(w *watch.FakeWatcher) { w.Delete(named("a")); w.Stop() },
			func(w *watch.FakeWatcher) { w.Add(named("d")); w.Modify(named("c")) },
		},
	}
	var sizes []int
	err := s.collection().until(t.Context(), nil, func(state map[string]*corev1.Pod) bool {
		sizes = append(sizes, len(state))
		return state["n/d"] != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []int{1, 2, 1, 1, 2}
	if len(sizes) != len(want) {
		t.Fatalf("states of sizes %v, want %v", sizes, want)
	}
	for i := range want {
		if sizes[i] != want[i] {
			t.Errorf("states of sizes %v, want %v", sizes, want)
		}
	}
	if len(s.from) != 3 || s.from[0] == s.from[1] {
		t.Errorf("watched from %v", s.from)
	}
}

func TestUntilEnds(t *testing.T) {
	t.Parallel()
	never := func(map[string]*corev1.Pod) bool { return false }

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	quiet := &scripted{lists: [][]*corev1.Pod{nil}, watches: []func(*watch.FakeWatcher){func(*watch.FakeWatcher) {}}}
	if err := quiet.collection().until(ctx, nil, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}

	if err := (&scripted{}).collection().until(t.Context(), nil, never); !apierrors.IsForbidden(err) {
		t.Errorf("a list that is refused: %v", err)
	}

	broken := &scripted{lists: [][]*corev1.Pod{nil}}
	c := broken.collection()
	c.watch = func(context.Context, metav1.ListOptions) (watch.Interface, error) { return nil, errors.New("no watch") }
	if err := c.until(t.Context(), nil, never); err == nil || err.Error() != "no watch" {
		t.Errorf("a watch that is refused: %v", err)
	}

	ticking := &scripted{lists: [][]*corev1.Pod{nil}, watches: []func(*watch.FakeWatcher){func(*watch.FakeWatcher) {}}}
	tick := make(chan time.Time, 1)
	tick <- time.Time{}
	calls := 0
	if err := ticking.collection().until(t.Context(), tick, func(map[string]*corev1.Pod) bool { calls++; return calls == 2 }); err != nil {
		t.Errorf("with a tick: %v", err)
	}
}
