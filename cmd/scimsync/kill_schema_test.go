package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// toFirstSchema rewrites a state file as the first version would have kept it:
// the tables and columns that it had, with what is in them.
func toFirstSchema(t *testing.T, name string) error {
	t.Helper()
	schema, err := os.ReadFile(filepath.Join("..", "..", "agent", "ledger", "migrations", "00001_ledger.sql"))
	if err != nil {
		return err
	}
	_, up, _ := strings.Cut(string(schema), "-- +goose Up")
	up, _, _ = strings.Cut(up, "-- +goose Down")
	db, err := sql.Open("sqlite", name+".first")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // what is attached belongs to a connection
	list := func(query string, args ...any) []string {
		rows, err := db.QueryContext(t.Context(), query, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []string
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	var mark string
	for _, statement := range []string{up, "ATTACH '" + name + "' AS newer"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			return err
		}
	}
	if err := db.QueryRowContext(t.Context(), "PRAGMA newer.application_id").Scan(&mark); err != nil {
		return err
	}
	statements := list("SELECT sql FROM newer.sqlite_master WHERE name = 'goose_db_version'")
	statements = append(statements, "PRAGMA main.application_id = "+mark,
		"INSERT INTO main.goose_db_version SELECT * FROM newer.goose_db_version WHERE version_id <= 1")
	for _, table := range list("SELECT name FROM main.sqlite_master WHERE type = 'table'") {
		columns := strings.Join(list(`SELECT name FROM pragma_table_info(?, 'main')
			INTERSECT SELECT name FROM pragma_table_info(?, 'newer')`, table, table), ", ")
		statements = append(statements, fmt.Sprintf("INSERT INTO main.%s (%s) SELECT %s FROM newer.%s", table, columns, columns, table))
	}
	for _, statement := range append(statements, "DETACH newer") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(name + suffix); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return os.Rename(name+".first", name)
}
