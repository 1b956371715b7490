package store

import (
	"context"
	"fmt"
	"slices"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kept returns those objects of kind that the cache has of a namespace (all when empty) and for which match is true: the
// first by an order, so many at most, all when that is 0. They are the cache's own. A list of the cache's would copy each
// of tens of thousands for a page of a hundred.
func kept[T client.Object](
	ctx context.Context, s *Store, kind T, namespace string, most int, match func(T) bool, order func(a, b T) int,
) ([]T, error) {
	informer, err := s.cache.GetInformer(ctx, kind)
	if err != nil {
		return nil, classify(fmt.Sprintf("list %T", kind), err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok || !shared.HasSynced() {
		return nil, fmt.Errorf("list %T: %w: the cache is not filled yet", kind, ErrUnavailable)
	}
	objects := shared.GetIndexer().List()
	if namespace != "" {
		if objects, err = shared.GetIndexer().ByIndex(toolscache.NamespaceIndex, namespace); err != nil {
			return nil, fmt.Errorf("list %T: %w", kind, err)
		}
	}
	out := first[T]{most: most, order: order}
	for _, o := range objects {
		if object, ok := o.(T); ok && match(object) {
			out.add(object)
		}
	}
	return out.sorted(), nil
}

// first keeps the first of what it is given, so many at most; 0 means all.
type first[T any] struct {
	most  int
	order func(a, b T) int
	list  []T
	// full says that most objects are sorted at the beginning of list: what comes after the last of them is not kept.
	full bool
}

func (f *first[T]) add(object T) {
	if f.full && f.order(object, f.list[f.most-1]) > 0 {
		return
	}
	if f.list = append(f.list, object); f.most > 0 && len(f.list) == 2*f.most {
		f.list, f.full = f.sorted(), true
	}
}

func (f *first[T]) sorted() []T {
	slices.SortFunc(f.list, f.order)
	if f.most > 0 && len(f.list) > f.most {
		clear(f.list[f.most:])
		return f.list[:f.most]
	}
	return f.list
}
