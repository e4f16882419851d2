package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// repeats makes every object unreadable whose id stands on several lines: which of
// them is meant is anybody's guess. What was told of it before no longer counts.
func (k *kindReader) repeats(ctx context.Context) error {
	groups, err := k.seen.repeated()
	if err != nil {
		return fmt.Errorf("%s: %w", k.file.path, err)
	}
	if len(groups) == 0 {
		return nil
	}
	ids, err := k.idsOn(ctx, slices.Sorted(slices.Values(slices.Concat(groups...))))
	if err != nil {
		return err
	}
	type repeat struct {
		id          string
		first, line int
	}
	var found []repeat
	for _, lines := range groups {
		first := map[string]int{} // two ids may have one hash
		for _, line := range lines {
			id, ok := ids[line]
			if !ok || len(k.only) > 0 && !k.asked[id] {
				continue
			}
			if first[id] == 0 {
				first[id] = line
				continue
			}
			found = append(found, repeat{id, first[id], line})
		}
	}
	slices.SortFunc(found, func(a, b repeat) int { return a.line - b.line })
	for _, r := range found {
		why := fmt.Sprintf("has the id of line %d: give each %s one line", r.first, k.kind)
		if err := k.unreadable(r.id, r.line, why); err != nil {
			return err
		}
	}
	return nil
}

// idsOn reads some lines once more and returns their ids.
func (k *kindReader) idsOn(ctx context.Context, numbers []int) (map[int]string, error) {
	file, err := openLines(k.file.path, k.kind)
	if err != nil {
		return nil, err
	}
	k.files = append(k.files, file)
	ids := make(map[int]string, len(numbers))
	for len(numbers) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := file.next()
		if errors.Is(err, io.EOF) {
			return ids, nil // it was cut meanwhile, which is seen at the end
		}
		if err != nil {
			return nil, err
		}
		if l.number < numbers[0] {
			continue
		}
		numbers = numbers[1:]
		if o, _ := parse(k.kind, k.declared, l.text); o.record.Ref.ID != "" {
			ids[l.number] = o.record.Ref.ID
		}
	}
	return ids, nil
}
