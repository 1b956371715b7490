package reconcile

import (
	"context"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// begun is the priority of requests in which something is under way: somebody decided about them, they wait for their
// target or are being executed. Those that nobody has looked at have the usual 0, after a start of the gateway less, so
// that a person or an agent who waits for an answer does not wait for all that came before. The new ones do not starve:
// each of them brings only a few turns of this kind in its life, so that those come to an end when no new ones are let
// in. A heartbeat needs no turn: it is written to the lock itself.
const begun = 10

// follow gives requests their turn when they change.
func (r *requests) follow() handler.Funcs {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue workQueue) { enqueue(queue, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue workQueue) { enqueue(queue, e.ObjectNew) },
		DeleteFunc: r.deleted,
	}
}

// enqueue puts a request into the queue, before those that are new when something is under way in it.
func enqueue(queue workQueue, o client.Object) {
	key := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
	if request, ok := o.(*v1alpha1.AgentRequest); ok && underWay(request) {
		putFirst(queue, key)
		return
	}
	queue.Add(key)
}

// putFirst puts a request into the queue before those that are new.
func putFirst(queue workQueue, key reconcile.Request) {
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(begun)}, key)
		return
	}
	queue.Add(key)
}

// underWay reports whether a request has been looked at, is not over, and does not wait for a reviewer.
func underWay(r *v1alpha1.AgentRequest) bool {
	state := lifecycle.StateOf(r.Status)
	switch {
	case state.Held:
		return r.Spec.HumanApproval != nil
	case state.Phase == v1alpha1.PhaseAwaitingVerdict:
		return r.Status.Verdict != ""
	default:
		return state.Phase != "" && !state.Phase.Terminal()
	}
}
