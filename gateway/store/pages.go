package store

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// EachRequest calls each with every request of all namespaces as the API server has them, which it reads in pages of so many
// objects. It returns the first error of each.
func (s *Store) EachRequest(ctx context.Context, page int64, each func(*v1alpha1.AgentRequest) error) error {
	return s.pages(ctx, page, func() client.ObjectList { return &v1alpha1.AgentRequestList{} }, func(l client.ObjectList) error {
		list, _ := l.(*v1alpha1.AgentRequestList)
		for i := range list.Items {
			if err := each(&list.Items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// EachRecord is EachRequest for audit records.
func (s *Store) EachRecord(ctx context.Context, page int64, each func(*v1alpha1.AuditRecord) error) error {
	return s.pages(ctx, page, func() client.ObjectList { return &v1alpha1.AuditRecordList{} }, func(l client.ObjectList) error {
		list, _ := l.(*v1alpha1.AuditRecordList)
		for i := range list.Items {
			if err := each(&list.Items[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) pages(ctx context.Context, page int64, empty func() client.ObjectList, each func(client.ObjectList) error) error {
	for after := ""; ; {
		list := empty()
		reading, cancel := context.WithTimeout(ctx, writeTimeout)
		err := s.live.List(reading, list, client.Limit(page), client.Continue(after))
		cancel()
		if err != nil {
			return classify("list in pages", err)
		}
		if err := each(list); err != nil {
			return err
		}
		if after = list.GetContinue(); after == "" {
			return nil
		}
	}
}

// Reference returns an object that stands for d when it is removed, without the rest of it.
func Reference(d Definition) Definition {
	meta := metav1.ObjectMeta{Namespace: d.GetNamespace(), Name: d.GetName(), UID: d.GetUID()}
	if _, ok := d.(*v1alpha1.AuditRecord); ok {
		return &v1alpha1.AuditRecord{ObjectMeta: meta}
	}
	return &v1alpha1.AgentRequest{ObjectMeta: meta}
}

// Remove removes d, unless it is gone or another object has its name by now.
func (s *Store) Remove(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := classify("delete "+d.GetName(), s.live.Delete(ctx, d, client.Preconditions{UID: ptr.To(d.GetUID())}))
	if isNotFound(err) || errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
