package contracttest

import "strings"

func jsonStories(Harness) []story {
	bad := refused(400, "invalid_json")
	whole := body(waiting())
	return []story{{"Syntax", []row{
		{"Empty", post(batches).with("Content-Type: application/json"), bad},
		{"WhiteSpace", post(batches, " \n\t"), bad},
		{"Cut", post(batches, whole[:len(whole)-1]), bad},
		{"CutInText", post(batches, whole[:12]), bad},
		{"TextBehind", post(batches, whole+"x"), bad},
		{"ValueBehind", post(batches, whole+whole), bad},
		{"BraceBehind", post(batches, whole+"}"), bad},
		{"NULBehind", post(batches, whole+"\x00"), bad},
		{"WhiteSpaceAround", post(batches, "\r\n\t "+whole+" \n"), created(nil)},
		{"ByteOrderMark", post(batches, "\ufeff"+whole), bad},
		{"Comment", post(batches, "/* x */"+whole), bad},
		{"TrailingComma", post(batches, whole[:len(whole)-1]+",}"), bad},
		{"SingleQuotes", post(batches, strings.ReplaceAll(whole, `"`, "'")), bad},
		{"BareKey", post(batches, `{name:"x"}`), bad},
		{"NaN", create(set("weight", "NaN")), bad},
		{"LeadingZero", create(set("weight", "01")), bad},
		{"LeadingPlus", create(set("weight", "+1")), bad},
		{"Hex", create(set("weight", "0x10")), bad},
		{"RawLineBreak", create(set("name", "\"a\nb\"")), bad},
		{"RawNUL", create(set("name", "\"a\x00b\"")), bad},
		{"BadEscape", create(set("name", `"\x41"`)), bad},
		{"InvalidUTF8", create(set("name", "\"a\xffb\"")), bad},
		{"OverlongUTF8", create(set("name", "\"\xc0\xaf\"")), bad},
		{"SurrogateInUTF8", create(set("name", "\"\xed\xa0\x80\"")), bad},
		{"LoneSurrogate", create(set("name", `"\ud800"`)), bad},
		{"InvalidUTF8InMetadata", create(metadata("{\"a\":\"\xff\"}")), bad},
		{"InvalidUTF8InAKey", create(set("\xff", "1")), bad},
		{"LoneSurrogateInMetadata", create(metadata(`{"a":"\udc00"}`)), bad},
		{"UTF16", post(batches, "{\x00\"\x00n\x00\"\x00:\x001\x00}\x00"), bad},
		{"Form", post(batches, "name=x&agent_id=y"), bad},
	}}, {"Shape", []row{
		{"Array", post(batches, "["+whole+"]"), refused(400, "invalid_request")},
		{"Null", post(batches, "null"), refused(400, "invalid_request")},
		{"Text", post(batches, `"x"`), refused(400, "invalid_request")},
		{"Number", post(batches, "1"), refused(400, "invalid_request")},
		{"Boolean", post(batches, "true"), refused(400, "invalid_request")},
	}}, {"Names", []row{
		{"Duplicate", create(also("name", `"again"`)), invalid("name")},
		{"DuplicateTheSame", create(also("name", `"contract"`)), invalid("name")},
		{"DuplicateEscaped", create(also("n\\u0061me", `"again"`)), invalid("name")},
		{"DuplicateRecipients", create(also("recipients", people(1, ""))), invalid("recipients")},
		{"DuplicateUnknown", create(also("note", "1"), also("note", "2")), invalid("note")},
		{"DuplicateInARecipient", create(of(`{"to_number":"+14155550100","to_number":"+14155550101"}`)),
			invalid("recipients[0].to_number")},
		{"OtherCase", create(waiting(), leaveOut("name"), also("Name", `"x"`)), invalid("Name")},
		{"OtherCaseBesides", create(also("NAME", `"x"`)), invalid("NAME")},
		{"OtherCaseOfAnOptional", create(also("Weight", "2")), invalid("Weight")},
		{"OtherCaseInARecipient", create(of(`{"to_number":"+14155550100","Metadata":{}}`)), invalid("recipients[0].Metadata")},
		{"SpaceInAName", create(waiting(), also(" name", `"x"`)), created(fields{"name": `"contract"`})},
		{"Nothing", post(batches, `{"":1}`), invalid("name", "agent_id", "from_number_id", "recipients")},
	}}}
}

func mediaStories(Harness) []story {
	bad := refused(415, "unsupported_media_type")
	kind := func(k string) request { return create(waiting()).instead("Content-Type: " + k) }
	pastLimit := func(h Harness) int { return h.MaxBody }
	return []story{{"ContentType", []row{
		{"JSON", kind("application/json"), created(nil)},
		{"WithCharset", kind("application/json; charset=utf-8"), created(nil)},
		{"InCapitals", kind("Application/JSON; Charset=UTF-8"), created(nil)},
		{"OtherCharset", kind("application/json; charset=iso-8859-1"), bad},
		{"None", create().without("Content-Type"), bad},
		{"Text", kind("text/plain"), bad},
		{"Form", kind("application/x-www-form-urlencoded"), bad},
		{"Multipart", kind("multipart/form-data; boundary=x"), bad},
		{"OtherJSON", kind("application/problem+json"), bad},
		{"Broken", kind("application/json; ="), bad},
		{"Twice", create().with("Content-Type: text/csv"), bad},
		{"OfAPatch", patch(batches+"/acb_0", "{}").instead("Content-Type: text/csv"), bad},
		{"AcceptIsNotLookedAt", create(waiting()).with("Accept: text/html"), created(nil)},
	}}, {"ContentEncoding", []row{
		{"Gzip", create().with("Content-Encoding: gzip"), bad},
		{"Unknown", create().with("Content-Encoding: br"), bad},
		{"Identity", create(waiting()).with("Content-Encoding: identity"), created(nil)},
	}}, {"Size", []row{
		{"TooLarge", request{method: "POST", path: batches, body: "{}", large: pastLimit}.with("Expect: 100-continue"),
			refused(413, "body_too_large")},
		{"TooLargeToIgnore", request{method: "POST", path: batches + "/acb_0/cancel", body: "{}", large: pastLimit}.
			with("Expect: 100-continue"), refused(413, "body_too_large")},
		{"LargeEnough", request{method: "POST", path: batches, body: body(waiting()), large: func(h Harness) int {
			return h.MaxBody / 2
		}}, created(nil)},
	}}}
}
