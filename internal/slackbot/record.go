package slackbot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// Labels and annotations of records.
const (
	recordPrefix = "labbot.kubectl-lab.github.io/"

	labelState = recordPrefix + "state"

	annotationCreator = recordPrefix + "recorded-by" // the replica, never changed
	annotationPerson  = recordPrefix + "person"
	annotationChannel = recordPrefix + "channel"
	annotationLine    = recordPrefix + "command"
	annotationPlace   = recordPrefix + "place"  // sealed
	annotationFiles   = recordPrefix + "files"  // sealed
	annotationFollow  = recordPrefix + "follow" // sealed
	annotationExpires = recordPrefix + "expires"
	annotationNeed    = recordPrefix + "confirm-by"
	annotationDigest  = recordPrefix + "preview"
	annotationCancel  = recordPrefix + "cancel"
	annotationOutcome = recordPrefix + "outcome"
	annotationCluster = recordPrefix + "cluster"

	managedByBot = "labbot"
)

// The states of a record.
const (
	stateRunning   = "running"   // a replica works on it
	stateWaiting   = "waiting"   // for a confirmation
	stateAnswering = "answering" // it has ended, as outcome says; the answer is on its way
	stateDone      = "done"      // answered
)

// Timing of the records. A record whose holder has not renewed it for recordLease is taken over.
const (
	recordLease = 15 * time.Second
	renewEvery  = 5 * time.Second
	keepRecords = time.Hour
)

var (
	// errDuplicate says that the command was recorded before: by an earlier delivery.
	errDuplicate = errors.New("the command was received before")
	// errLost says that another replica has taken the record over.
	errLost = errors.New("another replica has taken over the record")
	// errGone says that the record was deleted.
	errGone = errors.New("the record of the command was deleted")
	// errConflict says that the record was changed by somebody else meanwhile.
	errConflict = errors.New("the record was changed by another replica")
)

// records are the commands of all replicas, each a Lease in the bot's namespace. Creating one is the
// lock that makes redeliveries harmless; updating one with its resource version is the lock that
// makes a confirmation count once.
type records struct {
	leases coordinationclient.LeaseInterface
	holder string // this process
	sealer *sealer
	now    func() time.Time
}

// record is a command as this process knows it.
type record struct {
	store *records

	mu    sync.Mutex
	lease *coordinationv1.Lease
}

// entry is what a record says of its command.
type entry struct {
	name    string
	state   string
	holder  string
	person  string
	channel string
	line    string
	cluster string
	need    Confirmation
	digest  string
	expires time.Time
	cancel  bool
	outcome outcome
	created time.Time
	place   *place
	files   []attachment
	follow  *place // where its requester wants to see how far it is
}

// end marks a command as answered, and drops what nobody needs any more.
func (e *entry) end(how outcome) {
	e.state, e.outcome, e.place, e.files, e.follow = stateDone, how, nil, nil, nil
}

// create records a command. errDuplicate means that it is recorded already.
func (s *records) create(ctx context.Context, name string, e entry) (*record, error) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{actions.ManagedByLabel: managedByBot},
		Annotations: map[string]string{annotationCreator: s.holder},
	}}
	e.name, e.state = name, stateRunning
	if err := s.write(lease, e); err != nil {
		return nil, err
	}
	s.hold(lease, true)
	created, err := s.leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: managedByBot})
	switch {
	case apierrors.IsAlreadyExists(err):
		return s.own(ctx, name)
	case err != nil:
		return nil, fmt.Errorf("recording the command: %w", err)
	}
	return &record{store: s, lease: created}, nil
}

// own is the record of that name if this process created it and nothing came of it yet: an earlier
// attempt to create it succeeded although its answer did not arrive. That this process holds it now is
// not enough: it may have taken the record over, by a click or after the end of another replica.
func (s *records) own(ctx context.Context, name string) (*record, error) {
	lease, err := s.leases.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	r := &record{store: s, lease: lease}
	if e := r.entry(); lease.Annotations[annotationCreator] != s.holder || e.holder != s.holder || e.state != stateRunning {
		return nil, errDuplicate
	}
	return r, nil
}

func (s *records) get(ctx context.Context, name string) (*record, error) {
	lease, err := s.leases.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	return &record{store: s, lease: lease}, nil
}

// list returns the records in a state; the selector is one of Kubernetes' labels.
func (s *records) list(ctx context.Context, selector string) ([]*record, error) {
	list, err := s.leases.List(ctx, metav1.ListOptions{
		LabelSelector: actions.ManagedByLabel + "=" + managedByBot + "," + selector,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the records: %w", err)
	}
	found := make([]*record, len(list.Items))
	for i := range list.Items {
		found[i] = &record{store: s, lease: &list.Items[i]}
	}
	return found, nil
}

// collect deletes the records that were done long ago.
func (s *records) collect(ctx context.Context) error {
	done, err := s.list(ctx, labelState+"="+stateDone)
	if err != nil {
		return err
	}
	var failed []error
	for _, r := range done {
		e := r.entry()
		if s.now().Sub(e.created) < keepRecords {
			continue
		}
		if err := s.leases.Delete(ctx, e.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// hold makes this process the holder.
func (s *records) hold(lease *coordinationv1.Lease, acquire bool) {
	now := metav1.NewMicroTime(s.now())
	lease.Spec.HolderIdentity = ptr.To(s.holder)
	lease.Spec.LeaseDurationSeconds = ptr.To(int32(recordLease / time.Second))
	lease.Spec.RenewTime = &now
	if acquire {
		lease.Spec.AcquireTime = &now
	}
}

// write puts an entry into a Lease.
func (s *records) write(lease *coordinationv1.Lease, e entry) error {
	lease.Labels[labelState] = e.state
	set := func(key, value string) {
		if value == "" {
			delete(lease.Annotations, key)
			return
		}
		lease.Annotations[key] = value
	}
	set(annotationPerson, e.person)
	set(annotationChannel, e.channel)
	set(annotationLine, e.line)
	set(annotationCluster, e.cluster)
	set(annotationNeed, string(e.need))
	set(annotationDigest, e.digest)
	set(annotationOutcome, string(e.outcome))
	set(annotationExpires, formatTime(e.expires))
	place, err := s.seal(e.name, e.place, e.place == nil)
	if err != nil {
		return err
	}
	files, err := s.seal(e.name, e.files, len(e.files) == 0)
	if err != nil {
		return err
	}
	follow, err := s.seal(e.name, e.follow, e.follow == nil)
	if err != nil {
		return err
	}
	set(annotationFollow, follow)
	set(annotationPlace, place)
	set(annotationFiles, files)
	return nil
}

// seal encrypts what only the bot may read.
func (s *records) seal(name string, what any, none bool) (string, error) {
	if none {
		return "", nil
	}
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false) // it makes manifests longer
	if err := encoder.Encode(what); err != nil {
		return "", fmt.Errorf("encoding a part of the record: %w", err)
	}
	return s.sealer.seal(name, data.Bytes()), nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// entry is what the record says.
func (r *record) entry() entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entryLocked()
}

func (r *record) entryLocked() entry {
	a := r.lease.Annotations
	expires, _ := time.Parse(time.RFC3339, a[annotationExpires]) // zero if it has none
	e := entry{
		name:    r.lease.Name,
		state:   r.lease.Labels[labelState],
		holder:  ptr.Deref(r.lease.Spec.HolderIdentity, ""),
		person:  a[annotationPerson],
		channel: a[annotationChannel],
		line:    a[annotationLine],
		cluster: a[annotationCluster],
		need:    Confirmation(a[annotationNeed]),
		digest:  a[annotationDigest],
		outcome: outcome(a[annotationOutcome]),
		cancel:  a[annotationCancel] != "",
		expires: expires,
		created: r.lease.CreationTimestamp.Time,
	}
	e.place, e.follow = r.store.openPlace(e.name, a[annotationPlace]), r.store.openPlace(e.name, a[annotationFollow])
	_ = r.store.unseal(e.name, a[annotationFiles], &e.files) // if not, they are missing where they are opened
	return e
}

// openPlace is a sealed place; nil if it cannot be read.
func (s *records) openPlace(name, sealed string) *place {
	p := &place{}
	if !s.unseal(name, sealed, p) {
		return nil
	}
	return p
}

// unseal reads what seal wrote. It fails where there is nothing, and after a change of the bot token.
func (s *records) unseal(name, sealed string, into any) bool {
	if sealed == "" {
		return false
	}
	data, err := s.sealer.open(name, sealed)
	return err == nil && json.Unmarshal(data, into) == nil
}

// renewed is when the holder last said that it lives, by the holder's clock.
func (r *record) renewed() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease.Spec.RenewTime == nil {
		return time.Time{}
	}
	return r.lease.Spec.RenewTime.Time
}

// change updates the record if nobody else did meanwhile, and makes this process its holder. An error
// of edit ends it without a change.
func (r *record) change(ctx context.Context, edit func(*entry) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entryLocked()
	if err := edit(&e); err != nil {
		return err
	}
	lease := r.lease.DeepCopy()
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	if err := r.store.write(lease, e); err != nil {
		return err
	}
	r.store.hold(lease, false)
	updated, err := r.store.leases.Update(ctx, lease, metav1.UpdateOptions{FieldManager: managedByBot})
	switch {
	case apierrors.IsConflict(err):
		return errConflict
	case apierrors.IsNotFound(err):
		return errGone
	case err != nil:
		return fmt.Errorf("updating the record: %w", err)
	}
	r.lease = updated
	return nil
}

// changeAgain is change, tried again on what others wrote meanwhile. So edit must look at the entry
// that it gets, and refuse one that it is not meant for.
func (r *record) changeAgain(ctx context.Context, edit func(*entry) error) error {
	const attempts = 5
	for range attempts {
		err := r.change(ctx, edit)
		if !errors.Is(err, errConflict) {
			return err
		}
		if err := r.refresh(ctx); err != nil {
			return err
		}
	}
	return errConflict
}

// changeOwn is changeAgain for a record that this process holds: changes by others that leave it the
// holder, such as a wish to cancel, do not matter.
func (r *record) changeOwn(ctx context.Context, edit func(*entry)) error {
	return r.changeAgain(ctx, func(e *entry) error {
		if e.holder != r.store.holder {
			return errLost
		}
		edit(e)
		return nil
	})
}

// refresh reads the record again.
func (r *record) refresh(ctx context.Context) error {
	lease, err := r.store.leases.Get(ctx, r.entry().name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return errGone
	case err != nil:
		return fmt.Errorf("reading the record: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease = lease
	return nil
}

// renew says that the holder lives. It leaves all else as it is: the command may come to wait or end
// at the same moment.
func (r *record) renew(ctx context.Context) error {
	return r.changeOwn(ctx, func(*entry) {})
}

// requestCancel asks whoever holds the record to stop.
func (r *record) requestCancel(ctx context.Context) error {
	return r.request(ctx, annotationCancel, "true")
}

// requestFollow tells whoever holds the record where to show how far the command is.
func (r *record) requestFollow(ctx context.Context, to *place) error {
	sealed, err := r.store.seal(r.entry().name, to, false)
	if err != nil {
		return err
	}
	return r.request(ctx, annotationFollow, sealed)
}

// request leaves a wish in the record, whoever holds it.
func (r *record) request(ctx context.Context, annotation, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{annotation: value},
	}})
	if err != nil {
		return fmt.Errorf("encoding a wish: %w", err)
	}
	_, err = r.store.leases.Patch(ctx, r.entry().name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: managedByBot})
	if err != nil {
		return fmt.Errorf("telling the replica that runs the command: %w", err)
	}
	return nil
}
