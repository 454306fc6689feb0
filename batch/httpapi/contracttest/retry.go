package contracttest

func retryStories(Harness) []story {
	const batch = batches + "/<batch>"
	return []story{{"Busy", []row{
		{"Created", create(to(2), from("busy")), created(nil).save("batch", "id")},
		{"BothBusy", get(batch), answers(200, fields{
			"status": `"completed"`, "counts.failed": "2", "counts.failed_before_call": "0", "total_calls_dispatched": "2", "total_calls_finished": "2", "retry_count": "0",
			"recipients.0.status": `"failed"`, "recipients.0.end_reason": `"dial_busy"`, "recipients.0.attempts": "1",
			"recipients.0.error_message": absent, "recipients.0.agent_call_id": present, "waiting": absent,
		}).until().save("recipient", "recipients.0.id").save("call", "recipients.0.agent_call_id").save("admitted", "admitted_at")},
		{"Paused", post(batch + "/pause"), answers(200, nil)},
		{"Retried", post(batch + "/retry"), answers(200, fields{
			"status": `"pending"`, "counts.queued": "2", "retry_count": "1", "total_calls_scheduled": "2", "total_calls_dispatched": "0",
			"total_calls_finished": "0", "admitted_at": `"<admitted>"`,
		})},
		{"QueuedAgain", get(batch + "/recipients/<recipient>"), answers(200, fields{
			"status": `"queued"`, "attempts": "1", "agent_call_id": absent, "end_reason": absent, "waiting.reason": `"paused"`,
		})},
		{"TheCallIsKept", get(batch + "/recipients/<recipient>/calls"), page("", "call")},
		{"NobodyLeftToRetry", post(batch + "/retry"), answers(200, fields{"retry_count": "1"})},
		{"Resumed", post(batch + "/resume"), answers(200, nil)},
		{"BusyAgain", get(batch), answers(200, fields{
			"counts.failed": "2", "retry_count": "1", "recipients.0.attempts": "2", "recipients.0.end_reason": `"dial_busy"`,
			"admitted_at": `"<admitted>"`,
		}).until().save("second", "recipients.0.agent_call_id")},
		{"NewestAttemptFirst", get(batch + "/recipients/<recipient>/calls"), page("", "second", "call").and(fields{
			"data.0.attempt": "2", "data.1.attempt": "1", "data.0.status": `"failed"`, "data.0.recipient_id": `"<recipient>"`,
		})},
		{"OneAttemptAPage", get(batch + "/recipients/<recipient>/calls?limit=1"), page("second", "second")},
		{"AttemptsBackwards", get(batch + "/recipients/<recipient>/calls?limit=1&ending_before=<call>"), page("", "second")},
		{"ByEndReason", get(batch + "/recipients?end_reason=dial_busy,dial_failed&limit=1"), answers(200, fields{
			"data.0.id": `"<recipient>"`, "has_more": "true", "next_page": `"<recipient>"`,
		})},
		{"InTheResults", get(batch + "/results"), answers(200, nil).containing("dial_busy", "<second>", "failed")},
	}}, {"Refused", []row{
		{"Created", create(to(2), from("refused")), created(nil).save("batch", "id")},
		{"NoCallWasPlaced", get(batch), answers(200, fields{
			"status": `"failed"`, "counts.failed": "2", "counts.failed_before_call": "2", "total_calls_dispatched": "2", "total_calls_finished": "2",
			"recipients.0.status": `"failed"`, "recipients.0.agent_call_id": absent, "recipients.0.end_reason": absent,
			"recipients.0.error_message": present, "recipients.0.attempts": "1",
		}).until().save("recipient", "recipients.0.id")},
		{"TheAttemptIsTold", get(batch + "/recipients/<recipient>/calls"), answers(200, fields{
			"data.0.status": `"failed"`, "data.0.attempt": "1", "data.1": absent,
		})},
		{"Failed", get(batches + "?status=failed&limit=100"), answers(200, nil).containing("<batch>")},
		{"Retried", post(batch + "/retry"), answers(200, fields{"retry_count": "1"})},
		{"RefusedAgain", get(batch), answers(200, fields{"counts.failed": "2", "recipients.1.attempts": "2"}).until()},
	}}, {"Completed", []row{
		{"Created", create(to(2)), created(nil).save("batch", "id")},
		{"Done", get(batch), answers(200, fields{"counts.completed": "2"}).until().save("updated", "last_updated_at")},
		{"NothingToRetry", post(batch + "/retry"), answers(200, fields{
			"retry_count": "0", "last_updated_at": `"<updated>"`, "counts.completed": "2", "status": `"completed"`,
		})},
		{"OfNothing", post(batches + "/acb_0/retry"), refused(404, "not_found")},
	}}}
}
