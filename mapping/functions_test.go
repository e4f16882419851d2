package mapping_test

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// TestFunctions holds the edges of every function; docs/expressions.md, whose
// examples run as well, holds the usual cases. The examples of Entra's reference
// that apply are among both.
func TestFunctions(t *testing.T) {
	t.Parallel()
	rec := identity.Record{Ref: identity.Ref{Kind: identity.User, ID: "1"}, Fields: map[string]any{
		"id": "1", "status": "ACTIVE", "level": 12.0, "tags": []any{"a", "b"},
		"profile": map[string]any{
			"text": "x", "flag": true, "number": 1.5, "list": []any{"a", "", "b", "a"}, "object": map[string]any{"a": "b"}, "mixed": []any{"a", 1.0, true},
			"nested": []any{[]any{"a"}}, "long": strings.Repeat("ä", 40_000), "many": make([]any, 10_001),
		},
	}}
	const nothing = "null"
	tests := []struct{ source, want string }{
		{`Append("a", "")`, `"a"`},
		{`Append(nil, nil)`, nothing},
		{`Append(nil, ".test")`, `".test"`},
		{`Append(1, profile.flag)`, `"1true"`},
		{`Append(profile.number, "")`, `"1.5"`},
		{`Append(profile.object, "x")`, "error: " + resultPath + ": Append: argument 1: one value is needed and an object was given"},
		{`Append("x", profile.list)`, "error: " + resultPath + ": Append: argument 2: one value is needed and a list was given"},
		{`Append(profile.long, "x")`, "error: " + resultPath + ": Append: the result is longer than 64 KiB"},

		{`Join(" ", nil, "", nil)`, nothing},
		{`Join(nil, "a", "b")`, `"ab"`},
		{`Join("-", profile.list, "c", nil, profile.mixed)`, `"a-b-a-c-a-1-true"`},
		{`Join("-", profile.nested)`, "error: " + resultPath + ": Join: argument 2: element 1: one value is needed and a list was given"},
		{`Join("-", profile.long, profile.long)`, "error: " + resultPath + ": Join: the result is longer than 64 KiB"},
		{`Join("", 1000, "a")`, `"1000a"`},

		{`Left(nil, 3)`, nothing},
		{`Left("John Doe", 0)`, nothing},
		{`Left("John Doe", -1)`, `"John Doe"`},
		{`Left("Jo", 3)`, `"Jo"`},
		{`Left("äöü", 2)`, `"äö"`},
		{`Left("日本語", profile.number)`, "error: " + resultPath + ": Left: argument 2 must be a whole number"},
		{`Left("abc", "1")`, "error: " + resultPath + ": Left: argument 2 must be a whole number and is a text"},
		{`Left("abc", nil)`, "error: " + resultPath + ": Left: argument 2 must be a whole number and is nothing"},

		{`Mid(nil, 1, 3)`, nothing},
		{`Mid("äöü", 2, 1)`, `"ö"`},
		{`Mid("abc", 4, 1)`, nothing},
		{`Mid("abc", 100000000, 100000000)`, nothing},
		{`Mid("abc", 2, 0)`, nothing},
		{`Mid("abc", 0, 1)`, "error: " + resultPath + ": Mid: argument 2: characters count from 1"},
		{`Mid("abc", 1, -1)`, "error: " + resultPath + ": Mid: argument 3: the length is negative"},

		{`InStr("The quick brown fox", "quick")`, `"5"`},
		{`InStr("abc", "z")`, `"0"`},
		{`InStr(nil, "z")`, `"0"`},
		{`InStr("abc", "")`, `"1"`},
		{`InStr("äöü", "ü")`, `"3"`},
		{`InStr("abab", "a", 2)`, `"3"`},
		{`InStr("abab", "a", 9)`, `"0"`},
		{`InStr("ÄB", "äb", nil, "vbTextCompare")`, `"1"`},
		{`InStr("ÄB", "äb", 1, "vbBinaryCompare")`, `"0"`},
		{`InStr("abc", "a", 0)`, "error: " + resultPath + ": InStr: argument 3: characters count from 1"},
		{`InStr("abc", "a", 1, "text")`, "error: " + resultPath + `: InStr: argument 4 must be "vbBinaryCompare" or "vbTextCompare"`},

		{`Word("The quick brown fox", 3, " ")`, `"brown"`},
		{`Word("a--b", 2, "-")`, `"b"`},
		{`Word("-a", 1, "-")`, `"a"`},
		{`Word("a b", 3, " ")`, nothing},
		{`Word("a b", 0, " ")`, nothing},
		{`Word(nil, 1, " ")`, nothing},
		{`Word("a b", 1, nil)`, `"a b"`},

		{`ToLower(nil)`, nothing},
		{`ToLower("ÄÖ")`, `"äö"`},
		{`ToLower("TITLE", "tr")`, `"tıtle"`},
		{`ToLower("TITLE", nil)`, `"title"`},
		{`ToLower("TITLE", "")`, `"title"`},
		{`ToLower("TITLE", profile.text)`, "error: " + resultPath + ": ToLower: argument 2 is not a culture"},
		{`ToUpper("straße")`, `"STRAßE"`},

		{`PCase(nil)`, nothing},
		{`PCase("ada LOVELACE-king")`, `"Ada Lovelace-King"`},
		{`PCase("o'neil 3rd")`, `"O'neil 3rd"`},
		{`PCase("élodie")`, `"Élodie"`},
		{`PCase("a b", "")`, `"A b"`},

		{`StripSpaces(nil)`, nothing},
		{`StripSpaces(" a\t b\u00a0c ")`, `"abc"`},

		{`NormalizeDiacritics(nil)`, nothing},
		{`NormalizeDiacritics("Zoë")`, `"Zoe"`},
		{`NormalizeDiacritics("Łukasz Ærø Straße Þór Đorđe İbrahim ıl Œuvre")`, `"Lukasz AEroe Strasse THor Dorde Ibrahim il OEuvre"`},
		{`NormalizeDiacritics("Ǟǡḗȱḹṝ")`, `"Aaeolr"`},
		{`NormalizeDiacritics("Άλφα")`, `"Αλφα"`},
		{`NormalizeDiacritics("Йод हिन्दी")`, `"Йод हिन्दी"`},
		{`NormalizeDiacritics(profile.long)`, "error: " + resultPath + ": NormalizeDiacritics: the text is longer than 64 KiB"},

		{`Split(nil, ",")`, nothing},
		{`Split(",,", ",")`, nothing},
		{`Split("a", ",")`, `["a"]`},
		{`Split("a, b,", ", ")`, `["a","b,"]`},
		{`Split("a", "")`, "error: " + resultPath + ": Split: argument 2: the delimiter is empty"},

		{`Item(profile.list, 1)`, `"a"`},
		{`Item(profile.list, 5)`, nothing},
		{`Item(nil, 1)`, nothing},
		{`Item("one", 1)`, `"one"`},
		{`Item(Split("a,b", ","), 2)`, `"b"`},
		{`Item(profile.list, 0)`, "error: " + resultPath + ": Item: argument 2: elements count from 1"},
		{`Item(profile.many, 1)`, "error: " + resultPath + ": Item: the list has more than 10,000 elements"},

		{`RemoveDuplicates(nil)`, nothing},
		{`RemoveDuplicates(profile.list)`, `["a","b"]`},
		{`RemoveDuplicates(profile.object)`, "error: " + resultPath + ": RemoveDuplicates: argument 1: one value is needed and an object was given"},

		{`Coalesce(nil, "", "x", "y")`, `"x"`},
		{`Coalesce(nil)`, nothing},
		{`Coalesce(profile.none, profile.list)`, `["a","b","a"]`},
		{`IIF(profile.flag, "a", "b")`, `"a"`},
		{`IIF(profile.none, "a", "b")`, `"b"`},
		{`IIF(profile.text, "a", "b")`, "error: " + resultPath + ": IIF: the condition must be true or false and is a text"},
		{`IIF(true, "a", Left("x", "y"))`, `"a"`},
		{`IIF(IIF(true, false, true), "a", "b")`, `"b"`},
		{`Switch("B", "x", "a", 1, "b", 2)`, `"x"`},
		{`Switch(profile.flag, "x", "true", "yes", "false", "no")`, `"yes"`},
		{`Switch(nil, "x", "a", 1, nil, "none")`, `"none"`},
		{`Switch(profile.list, "x", "a", 1)`, "error: " + resultPath + ": Switch: argument 1: one value is needed and a list was given"},
		{`IsPresent(nil)`, `false`},
		{`IsPresent(false)`, `true`},
		{`IsPresent(0)`, `true`},
		{`IsPresent(" ")`, `true`},
		{`IsPresent(filter(tags ?? [], false))`, `false`},
		{`IsNullOrEmpty(profile.none?.deeper)`, `true`},

		{`Replace("aXbX", "X", "")`, `"ab"`},
		{`Replace("aXbX", "", "y")`, `"aXbX"`},
		{`Replace("aXbX", nil, "y")`, `"aXbX"`},
		{`Replace(nil, "a", "b")`, nothing},
		{`Replace("Developer", "Developer", nil, nil, "Engineer", nil, nil)`, `"Engineer"`},
		{`Replace("", "<u>", nil, nil, nil, nil, "<u>@example.com")`, nothing},
		{`Replace("john_doe72", nil, "[a-zA-Z_]*", nil, "")`, `"72"`},
		{`Replace("+1 (999) 888-7777", nil, "[()\\s-]+", nil, "")`, `"+19998887777"`},
		{`Replace("jsmith@example.com", nil, "(?<Suffix>@(.)*)", "Suffix", "")`, `"jsmith"`},
		{`Replace("a1b2", nil, "(?<d>\\d)|(?<l>[a-z])", "d", "#")`, `"a#b#"`},
		{`Replace("", nil, "(?<d>\\d)", "d", nil, "no digits")`, nothing},
		{`Replace("given", nil, "(?<d>\\d)", "d", nil, "7")`, `"given"`},
		{`Replace("x", nil, "(?<d>\\d)", "e", "")`, "error: " + resultPath + ": Replace: the regexPattern has no group of the name regexGroupName"},
		{`Replace("x", nil, nil, nil)`, "error: " + resultPath + ": Replace: neither oldValue with replacementValue or template, nor regexPattern with replacementValue or replacementAttribute are given"},
		{`Replace(profile.long, "ä", "äää")`, "error: " + resultPath + ": Replace: the text is longer than 64 KiB"},
		{`Replace(Left(profile.long, 30000), "ä", "äää")`, "error: " + resultPath + ": Replace: the result is longer than 64 KiB"},
		{`Replace(Left(profile.long, 30000), nil, "(?<a>.*)", nil, "${a}${a}")`, "error: " + resultPath + ": Replace: the result is longer than 64 KiB"},
		{`Replace(Left(profile.long, 30000), nil, "(?<a>.)", "a", "äää")`, "error: " + resultPath + ": Replace: the result is longer than 64 KiB"},

		{`FormatDateTime(nil, nil, nil)`, nothing},
		{`FormatDateTime("2026-01-31", "", "")`, `"2026-01-31T00:00:00Z"`},
		{`FormatDateTime("2026-01-31T08:09:10.5+02:00", nil, "yyyy-MM-dd HH:mm:ss.fff zzz")`, `"2026-01-31 06:09:10.500 +00:00"`},
		{`FormatDateTime("2026-01-31 08:09", nil, "H:m:s h:mm:ss tt t zz z K")`, `"8:9:0 8:09:00 AM A +00 +0 Z"`},
		{`FormatDateTime("2026-01-31T20:09:10Z", nil, "dddd, d MMMM yy; ddd MMM h tt")`, `"Saturday, 31 January 26; Sat Jan 8 PM"`},
		{`FormatDateTime("2026-01-31T20:09:10.1200000Z", nil, "FFF|FFFFFF|ff")`, `"12|12|12"`},
		{`FormatDateTime("2026-01-31", nil, "'year' yyyy \\y \"d\" %d")`, `"year 2026 y d 31"`},
		{`FormatDateTime("12/31/2020 11:59:59 PM", "M/d/yyyy hh:mm:ss tt", "yyyy-MM-dd HH:mm:ss")`, `"2020-12-31 23:59:59"`},
		{`FormatDateTime("12/31/2020 12:00:00 AM", nil, "HH:mm")`, `"00:00"`},
		{`FormatDateTime("Sat 31 Jan 26", "ddd d MMM yy", nil)`, `"2026-01-31T00:00:00Z"`},
		{`FormatDateTime("2021-06-30+08:00", nil, "M/d/yyyy h:mm:ss tt")`, `"6/29/2021 4:00:00 PM"`},
		{`FormatDateTime("2009-06-15T01:45:30-07:00", nil, "M/d/yyyy h:mm:ss tt")`, `"6/15/2009 8:45:30 AM"`},
		{`FormatDateTime("Sun 31 Jan 26", "ddd d MMM yy", nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in the expected format"},
		{`FormatDateTime("2026-02-30", nil, nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in a usual form, such as 2026-01-31 or 2026-01-31T08:00:00Z"},
		{`FormatDateTime("2026-01-31x", "yyyy-MM-dd", nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in the expected format"},
		{`FormatDateTime("13:00 PM", "hh:mm tt", nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in the expected format"},
		{`FormatDateTime("24:00", "HH:mm", nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in the expected format"},
		{`FormatDateTime("2026-01-31", profile.text, nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in the expected format"},
		{`FormatDateTime("0001-01-01T00:00:00+01:00", nil, nil)`, "error: " + resultPath + ": FormatDateTime: the text is not a date in a usual form, such as 2026-01-31 or 2026-01-31T08:00:00Z"},

		{`DateAdd("d", -10, "2012-03-16-07:00")`, `"2012-03-06T07:00:00Z"`},
		{`DateAdd("ww", 2, "2012-03-16-07:00")`, `"2012-03-30T07:00:00Z"`},
		{`DateAdd("m", 10, "2012-03-16-07:00")`, `"2013-01-16T07:00:00Z"`},
		{`DateAdd("m", -1, "2024-03-31")`, `"2024-02-29T00:00:00Z"`},
		{`DateAdd("yyyy", 2, "2012-03-16-07:00")`, `"2014-03-16T07:00:00Z"`},
		{`DateAdd("yyyy", 1, "2024-02-29")`, `"2025-02-28T00:00:00Z"`},
		{`DateAdd("h", 25, "2026-01-31")`, `"2026-02-01T01:00:00Z"`},
		{`DateAdd("n", 1, "2026-01-31")`, `"2026-01-31T00:01:00Z"`},
		{`DateAdd("s", -1, "2026-01-01")`, `"2025-12-31T23:59:59Z"`},
		{`DateAdd("d", 365250, "2026-01-31")`, `"3026-02-08T00:00:00Z"`},
		{`DateAdd("d", 1, nil)`, nothing},
		{`DateAdd("yyyy", 8000, "2026-01-31")`, "error: " + resultPath + ": DateAdd: the date is outside the years 1 to 9999"},
		{`DateAdd("yyyy", 100000000000, "2026-01-31")`, "error: " + resultPath + ": DateAdd: the date is outside the years 1 to 9999"},
		{`DateAdd("ww", -400000000000, "2026-01-31")`, "error: " + resultPath + ": DateAdd: the date is outside the years 1 to 9999"},
		{`DateAdd("s", 1000000000000, "2026-01-31")`, "error: " + resultPath + ": DateAdd: argument 2 is too large"},
		{`DateAdd("d", 1, "soon")`, "error: " + resultPath + ": DateAdd: the text is not a date in a usual form, such as 2026-01-31 or 2026-01-31T08:00:00Z"},
		{`DateAdd(profile.text, 1, "2026-01-31")`, "error: " + resultPath + `: DateAdd: the unit must be "yyyy" (years), "m" (months), "ww" (weeks), "d" (days), "h" (hours), "n" (minutes) or "s" (seconds)`},

		{`DateDiff("d", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")`, `"-3449"`},
		{`DateDiff("ww", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")`, `"-493"`},
		{`DateDiff("m", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")`, `"-113"`},
		{`DateDiff("yyyy", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")`, `"-9"`},
		{`DateDiff("d", "2021-08-31+08:00", "2021-08-31+08:00")`, `"0"`},
		{`DateDiff("h", "2021-08-24", "2021-08-25")`, `"24"`},
		{`DateDiff("n", "2021-08-24", "2021-08-25")`, `"1440"`},
		{`DateDiff("s", "2021-08-24", "2021-08-25")`, `"86400"`},
		{`DateDiff("s", "0001-01-01", "9999-12-31")`, `"315537811200"`},
		{`DateDiff("d", nil, "2021-08-25")`, nothing},
		{`DateDiff("d", "2021-08-24", "2021-08-25") > 5 ? "late" : "soon"`, `"soon"`},

		{`lower(nil)`, nothing},
		{`upper(profile.text)`, `"X"`},
		{`trim("  a ")`, `"a"`},
		{`string(nil)`, nothing},
		{`string(level) + "!"`, `"12!"`},
		{`int("7") + 1`, `"8"`},
		{`int("x")`, "error: " + resultPath + ": int: the text is not a number"},
		{`int(nil)`, "error: " + resultPath + ": int: a number is needed and nothing was given"},
		{`int(1e300)`, "error: " + resultPath + ": int: the number is too large"},
		{`float("1.50")`, `"1.5"`},
		{`float("NaN")`, "error: " + resultPath + ": float: the text is not a number"},
		{`1 / 0`, "error: " + resultPath + ": the value is no finite number"},
		{`1 + 2`, `"3"`},
		{`1 + level`, `"13"`},
		{`profile.number + level`, `"13.5"`},
		{`profile.flag + level`, "error: " + resultPath + ": +: true or false and a number do not add up; string makes a text of a number"},
		{`let x = Left(profile.long, 20000); let y = x + x; y + y`, "error: " + resultPath + ": +: the result is longer than 64 KiB"},
		{`map(tags ?? [], upper(#))`, `["A","B"]`},
		{`profile.nested`, "error: " + resultPath + ": an element of the list is not a text"},
	}
	seen := map[string]bool{}
	for _, test := range tests {
		if seen[test.source] {
			t.Errorf("%s stands here twice", test.source)
		}
		seen[test.source] = true
		if got := evaluate(t, test.source, rec); got != test.want {
			t.Errorf("%s\n\tgives %s\n\twant  %s", test.source, got, test.want)
		}
	}
}
