package sailpoint

import (
	"context"
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// Info asks SailPoint for the source and tries what a read will need.
func (s *Source) Info(ctx context.Context) (connectors.SourceInfo, error) {
	at, err := s.find(ctx)
	if err != nil {
		return connectors.SourceInfo{}, err
	}
	info := connectors.SourceInfo{
		Identity:    fmt.Sprintf("SailPoint tenant %s as client %s, source %q", s.base.Host, s.settings.ClientID, at.name),
		DeltaReason: "SailPoint has no list of changes",
	}
	note := func(format string, args ...any) { info.Notes = append(info.Notes, fmt.Sprintf(format, args...)) }
	kind := s.settings.entitlementType()
	groups, refused, err := s.count(ctx, query{target: s.address(listEntitlements(), ""), filters: s.entitlementFilter(at)})
	switch {
	case err != nil:
		return connectors.SourceInfo{}, err
	case refused:
		note("will not work: entitlements cannot be listed: give the client the scope idn:entitlement:read")
	case groups == 0:
		note("the source has no entitlements of type %q: is entitlement_type right?", kind)
	case groups > 0:
		note("%d entitlements of type %q are groups", groups, kind)
	}
	if err := s.infoAccounts(ctx, at, note); err != nil {
		return connectors.SourceInfo{}, err
	}
	if s.settings.Aggregation != nil {
		if err := s.infoAggregation(ctx, at, note); err != nil {
			return connectors.SourceInfo{}, err
		}
	}
	if err := s.infoProfiles(ctx, at, note); err != nil {
		return connectors.SourceInfo{}, err
	}
	return info, nil
}

func (s *Source) infoAccounts(ctx context.Context, at place, note func(string, ...any)) error {
	if !s.settings.accounts() {
		note("accounts are not read: there are no users, and the members of groups are unknown")
		return nil
	}
	n, refused, err := s.count(ctx, query{target: s.address(listAccounts(), ""), filters: equal("sourceId", at.id)})
	switch {
	case err != nil:
		return err
	case refused:
		note("will not work: accounts cannot be listed: give the client the scope idn:accounts:read, or set accounts: false")
	case n >= 0:
		note("%d accounts are read; those that are uncorrelated, of systems or of machines are left out", n)
	}
	return nil
}

// infoAggregation tries the state of an aggregation that does not exist: being
// told so is the permission to ask.
func (s *Source) infoAggregation(ctx context.Context, at place, note func(string, ...any)) error {
	var ignored struct{}
	err := s.client.object(ctx, s.address(aggregationStatus(), at.id), &ignored)
	switch connectors.ClassOf(err) {
	case connectors.Unauthorized:
		return rest.Wrap("check permissions", identity.Ref{}, err)
	case connectors.Forbidden:
		note("will not work: the state of an aggregation cannot be asked for by this client: use a personal access token whose owner is a source administrator, or leave aggregation out")
	}
	return nil
}

// count returns how many rows a list has, unknown where it does not say;
// refused says that this client may not read it.
func (s *Source) count(ctx context.Context, q query) (int, bool, error) {
	q.limit, q.count = 1, true
	p, err := list[wireSource](ctx, s.client, q)
	switch {
	case err == nil:
		return p.total, false, nil
	case connectors.ClassOf(err) != connectors.Forbidden:
		return unknown, false, rest.Wrap("check permissions", identity.Ref{}, err)
	}
	return unknown, true, nil
}
