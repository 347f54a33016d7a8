//  schemas.c - defines every schema once; the rows stand in the headers.

#include "configuration.h"
#include "requests.h"
#include "shim.h"

//  environment.h
BERTH_ENUM_TABLE (environment_driver, ENVIRONMENT_DRIVER);
BERTH_ENUM_TABLE (environment_status, ENVIRONMENT_STATUS);
BERTH_ENUM_TABLE (lease_policy, LEASE_POLICY);
BERTH_ENUM_TABLE (concurrency, CONCURRENCY);
BERTH_SCHEMA (environment_limits, ENVIRONMENT_LIMITS, SCHEMA_STRICT, "A place's walls in numbers.");
BERTH_SCHEMA (environment_policy, ENVIRONMENT_POLICY, SCHEMA_STRICT, "Berth's own settings of an environment.");
BERTH_SCHEMA (environment, ENVIRONMENT, SCHEMA_ROW, "Where work may run.");
BERTH_SCHEMA (environment_create, ENVIRONMENT_CREATE, SCHEMA_STRICT, "A new environment.");
BERTH_SCHEMA (environment_update, ENVIRONMENT_UPDATE, SCHEMA_STRICT, "What changes of an environment.");
BERTH_SCHEMA (environment_ref, ENVIRONMENT_REF, 0, "Names an environment.");
BERTH_SCHEMA (environment_delete, ENVIRONMENT_DELETE, 0, "Which environment to delete.");
BERTH_SCHEMA (environment_release, ENVIRONMENT_RELEASE, 0, "Give back some leases of an environment.");
BERTH_SCHEMA (environment_released, ENVIRONMENT_RELEASED, SCHEMA_ROW, "How far the leases of an environment are.");
BERTH_SCHEMA (environment_list, ENVIRONMENT_LIST, 0, "Which environments to list.");
BERTH_SCHEMA (environment_page, ENVIRONMENT_PAGE, 0, "A page of environments.");
BERTH_SCHEMA (company_ref, COMPANY_REF, 0, "Names a company.");
BERTH_SCHEMA (environment_check, ENVIRONMENT_CHECK, 0, "A selection to check.");
BERTH_SCHEMA (environment_checked, ENVIRONMENT_CHECKED, 0, "Whether it may be selected.");
BERTH_SCHEMA (environment_probe_config, ENVIRONMENT_PROBE_CONFIG, SCHEMA_STRICT, "A config to try.");
BERTH_SCHEMA (probe_result, PROBE_RESULT, 0, "What a probe found.");
BERTH_ENUM_TABLE (test_status, TEST_STATUS);
BERTH_ENUM_TABLE (test_level, TEST_LEVEL);
BERTH_ENUM_TABLE (test_ending, TEST_ENDING);
BERTH_SCHEMA (test_check, TEST_CHECK, SCHEMA_ROW, "What a test found.");
BERTH_SCHEMA (environment_test, ENVIRONMENT_TEST, 0, "Test an environment.");
BERTH_SCHEMA (environment_tested, ENVIRONMENT_TESTED, SCHEMA_ROW, "How a test went.");
BERTH_SCHEMA (environment_test_end, ENVIRONMENT_TEST_END, 0, "End a test that holds its place.");
BERTH_SCHEMA (capabilities, CAPABILITIES, 0, "What drivers, providers and adapters can do.");

//  workspace.h
BERTH_ENUM_TABLE (workspace_mode, WORKSPACE_MODE);
BERTH_ENUM_TABLE (workspace_strategy, WORKSPACE_STRATEGY);
BERTH_ENUM_TABLE (workspace_status, WORKSPACE_STATUS);
BERTH_ENUM_TABLE (workspace_provider, WORKSPACE_PROVIDER);
BERTH_ENUM_TABLE (workspace_source, WORKSPACE_SOURCE);
BERTH_ENUM_TABLE (workspace_return_mode, WORKSPACE_RETURN);
BERTH_SCHEMA (workspace, WORKSPACE, SCHEMA_ROW, "The record of an execution workspace.");
BERTH_SCHEMA (workspace_config, WORKSPACE_CONFIG, 0, "Typed config of a workspace.");
BERTH_SCHEMA (workspace_create, WORKSPACE_CREATE, 0, "A new workspace record.");
BERTH_SCHEMA (workspace_update, WORKSPACE_UPDATE, 0, "What changes of a workspace.");
BERTH_SCHEMA (workspace_ref, WORKSPACE_REF, 0, "Names a workspace.");
BERTH_SCHEMA (workspace_list, WORKSPACE_LIST, 0, "Which workspaces to list.");
BERTH_SCHEMA (workspace_page, WORKSPACE_PAGE, 0, "A page of workspaces.");
BERTH_SCHEMA (realized_workspace, REALIZED_WORKSPACE, 0, "A workspace as it stands on the host.");
BERTH_SCHEMA (workspace_progress, WORKSPACE_PROGRESS, 0, "How far the files are.");
BERTH_SCHEMA (workspace_return, WORKSPACE_RETURN_ASK, 0, "What to bring home.");
BERTH_SCHEMA (workspace_diff, WORKSPACE_DIFF_ASK, 0, "What would come home?");
BERTH_SCHEMA (workspace_discard, WORKSPACE_DISCARD_ASK, 0, "Which files are not wanted.");
BERTH_SCHEMA (workspace_change, WORKSPACE_CHANGE, 0, "One difference.");
BERTH_SCHEMA (workspace_returned, WORKSPACE_RETURNED, 0, "What came home.");

//  hold.h
BERTH_ENUM_TABLE (hold_kind, HOLD_KIND);
BERTH_SCHEMA (hold, HOLD, SCHEMA_ROW, "What keeps new leases away.");
BERTH_SCHEMA (bus_drain, BUS_DRAIN, 0, "Why.");
BERTH_SCHEMA (provider_pause, PROVIDER_PAUSE, 0, "Which provider, and why.");
BERTH_SCHEMA (hold_details, HOLD_DETAILS, SCHEMA_ROW, "Of a hold's entries in the log.");

//  sweep.h
BERTH_ENUM_TABLE (suspect_kind, SUSPECT_KIND);
BERTH_SCHEMA (suspect, SUSPECT, SCHEMA_ROW, "A place without a lease, or a lease without its place.");
BERTH_SCHEMA (sweep, SWEEP, SCHEMA_ROW, "The search for what was lost at one provider.");
BERTH_SCHEMA (provider_sweep, PROVIDER_SWEEP, 0, "Which provider to look at now.");
BERTH_SCHEMA (place_list, PLACE_LIST, 0, "Which places to list.");
BERTH_SCHEMA (place_listed, PLACE_LISTED, 0, "A place that is there.");
BERTH_SCHEMA (place_list_page, PLACE_LIST_PAGE, 0, "A page of a provider's places.");
BERTH_SCHEMA (orphan_details, ORPHAN_DETAILS, SCHEMA_ROW, "Of the entry about a place that nobody wanted.");
//  secret.h
BERTH_ENUM_TABLE (secret_status, SECRET_STATUS);
BERTH_ENUM_TABLE (secret_version_status, SECRET_VERSION_STATUS);
BERTH_ENUM_TABLE (secret_target, SECRET_TARGET);
BERTH_SCHEMA (secret, COMPANY_SECRET, SCHEMA_ROW, "A secret of a company, without its value.");
BERTH_SCHEMA (secret_version, SECRET_VERSION, SCHEMA_ROW, "One value of it, sealed.");
BERTH_SCHEMA (company_key, COMPANY_KEY, SCHEMA_ROW, "What a company's values are sealed with, sealed.");
BERTH_SCHEMA (secret_binding, SECRET_BINDING, SCHEMA_ROW, "Who may use a secret, and where.");
BERTH_SCHEMA (secret_event, SECRET_EVENT, SCHEMA_ROW, "One use of a secret.");
BERTH_SCHEMA (secret_create, SECRET_CREATE, 0, "A new secret.");
BERTH_SCHEMA (secret_update, SECRET_UPDATE, 0, "What changes of a secret.");
BERTH_SCHEMA (secret_rotate, SECRET_ROTATE, 0, "Its next value.");
BERTH_SCHEMA (secret_named, SECRET_NAMED, 0, "Names a secret.");
BERTH_SCHEMA (secret_delete, SECRET_DELETE, 0, "Which secret to destroy.");
BERTH_SCHEMA (secret_list, SECRET_LIST, 0, "Which secrets to list.");
BERTH_SCHEMA (secret_page, SECRET_PAGE, 0, "A page of secrets.");
BERTH_SCHEMA (secret_bind, SECRET_BIND, 0, "Who may use it.");
BERTH_SCHEMA (secret_unbind, SECRET_UNBIND, 0, "Who may use it no more.");
BERTH_SCHEMA (secret_bound, SECRET_BOUND, 0, "One path of a target.");
BERTH_SCHEMA (secret_sync, SECRET_SYNC, 0, "All that is bound at a target.");
BERTH_SCHEMA (secret_bindings, SECRET_BINDINGS, 0, "A page of bindings.");
BERTH_SCHEMA (secret_synced, SECRET_SYNCED, 0, "What is bound at a target.");
BERTH_SCHEMA (secret_history, SECRET_HISTORY, 0, "Of which secret.");
BERTH_SCHEMA (secret_events, SECRET_EVENTS, 0, "A page of uses.");
BERTH_SCHEMA (secret_rekeyed, SECRET_REKEYED, 0, "The new master key.");
BERTH_SCHEMA (secret_details, SECRET_DETAILS, SCHEMA_ROW, "Of a secret's entries in the log.");

//  lease.h
BERTH_ENUM_TABLE (lease_status, LEASE_STATUS);
BERTH_ENUM_TABLE (lease_state, LEASE_STATE);
BERTH_ENUM_TABLE (cleanup_status, CLEANUP_STATUS);
BERTH_ENUM_TABLE (place_state, PLACE_STATE);
BERTH_SCHEMA (lease, LEASE, SCHEMA_ROW, "The right of one run to one place.");
BERTH_SCHEMA (lease_acquire, LEASE_ACQUIRE, 0, "Which lease to take.");
BERTH_SCHEMA (lease_ref, LEASE_REF, 0, "Names a lease.");
BERTH_SCHEMA (lease_list, LEASE_LIST, 0, "Which leases to list.");
BERTH_SCHEMA (lease_waiting, LEASE_WAITING, 0, "How far a lease is that is not active yet.");
BERTH_SCHEMA (lease_page, LEASE_PAGE, 0, "A page of leases.");
BERTH_SCHEMA (lease_renew, LEASE_RENEW, 0, "How long a lease is to live.");
BERTH_SCHEMA (lease_renewed, LEASE_RENEWED, 0, "What was granted.");
BERTH_SCHEMA (lease_release, LEASE_RELEASE, 0, "Which lease to give back.");
BERTH_SCHEMA (lease_resume, LEASE_RESUME, 0, "Take a lease's place up again.");
BERTH_SCHEMA (lease_destroy, LEASE_DESTROY, 0, "End a lease with its place.");
BERTH_SCHEMA (lease_adopt, LEASE_ADOPT, 0, "Lease a place that exists.");
BERTH_ENUM_TABLE (company_part, COMPANY_PART);
BERTH_SCHEMA (company_delete, COMPANY_DELETE, 0, "Delete a company.");
BERTH_SCHEMA (company_removal, COMPANY_REMOVAL, SCHEMA_ROW, "How far the deletion of a company is.");
BERTH_SCHEMA (company_details, COMPANY_DETAILS, 0, "Of the entry that a company is gone.");
BERTH_SCHEMA (company_clear, COMPANY_CLEAR, 0, "Remove some of a company.");
BERTH_SCHEMA (company_cleared, COMPANY_CLEARED, SCHEMA_ROW, "What was removed of a company.");
BERTH_SCHEMA (lease_metadata, LEASE_METADATA, 0, "New metadata of a lease.");
BERTH_SCHEMA (release_for_run, RELEASE_FOR_RUN, 0, "Whose leases to give back.");
BERTH_SCHEMA (release_error, RELEASE_ERROR, 0, "A lease that could not be given back.");
BERTH_SCHEMA (run_released, RUN_RELEASED, 0, "What came of a release, lease by lease.");
BERTH_SCHEMA (target_local, TARGET_LOCAL, SCHEMA_ROW, "The host itself.");
BERTH_SCHEMA (target_runner, TARGET_RUNNER, SCHEMA_ROW, "Who executes.");
BERTH_SCHEMA (target_sandbox, TARGET_SANDBOX, SCHEMA_ROW, "A place.");
BERTH_SCHEMA (target_ssh_spec, TARGET_SSH_SPEC, SCHEMA_ROW, "How a machine is reached.");
BERTH_SCHEMA (target_ssh, TARGET_SSH, SCHEMA_ROW, "A folder on another machine.");
BERTH_SCHEMA (lease_target_ask, LEASE_TARGET_ASK, 0, "Whose target.");
BERTH_SCHEMA (lease_target, LEASE_TARGET, 0, "How to execute in a place.");

//  run.h
BERTH_ENUM_TABLE (run_state, RUN_STATE);
BERTH_SCHEMA (run, RUN, SCHEMA_ROW, "What the bus knows of a run.");
BERTH_SCHEMA (run_selection, RUN_SELECTION, 0, "Levels of the selection.");
BERTH_SCHEMA (run_resolve, RUN_RESOLVE, 0, "What to select from.");
BERTH_SCHEMA (run_level, RUN_LEVEL, 0, "What one level said.");
BERTH_SCHEMA (run_resolved, RUN_RESOLVED, 0, "What was selected, and why.");
BERTH_SCHEMA (run_acquire, RUN_ACQUIRE, 0, "A run that needs a place.");
BERTH_SCHEMA (lease_context, LEASE_CONTEXT, 0, "The persisted workspace of a lease.");
BERTH_SCHEMA (run_acquired, RUN_ACQUIRED, 0, "What a run was given.");
BERTH_SCHEMA (realization_source, REALIZATION_SOURCE, SCHEMA_ROW, "Which files are realized.");
BERTH_SCHEMA (realization_overlay, REALIZATION_OVERLAY, SCHEMA_ROW, "The workspace's own commands.");
BERTH_SCHEMA (realization_request, REALIZATION_REQUEST, SCHEMA_ROW, "What is to be realized.");
BERTH_SCHEMA (run_realize, RUN_REALIZE, 0, "A run's files.");
BERTH_SCHEMA (run_realized, RUN_REALIZED, 0, "How they were realized.");
BERTH_SCHEMA (run_ref, RUN_REF, 0, "Names a run.");
BERTH_SCHEMA (run_list, RUN_LIST, 0, "Which runs to list.");
BERTH_SCHEMA (run_page, RUN_PAGE, 0, "A page of runs.");

//  exec.h
BERTH_ENUM_TABLE (exec_state, EXEC_STATE);
BERTH_ENUM_TABLE (exec_cause, EXEC_CAUSE);
BERTH_ENUM_TABLE (exec_stream, EXEC_STREAM);
BERTH_ENUM_TABLE (exec_on_full, EXEC_ON_FULL);
BERTH_SCHEMA (exec_tty, EXEC_TTY, 0, "The size of a terminal.");
BERTH_SCHEMA (exec, EXEC, SCHEMA_ROW, "One command in a leased place.");
BERTH_SCHEMA (exec_start, EXEC_START, 0, "Start a command.");
BERTH_SCHEMA (exec_ref, EXEC_REF, 0, "Names an exec.");
BERTH_SCHEMA (exec_list, EXEC_LIST, 0, "Which execs to list.");
BERTH_SCHEMA (exec_page, EXEC_PAGE, 0, "A page of execs.");
BERTH_SCHEMA (exec_read, EXEC_READ, 0, "Which bytes of the output.");
BERTH_SCHEMA (exec_read_end, EXEC_READ_END, 0, "How far the output was read.");
BERTH_SCHEMA (stream_chunk, STREAM_CHUNK, 0, "One chunk of a stream.");
BERTH_SCHEMA (exec_write, EXEC_WRITE, 0, "Bytes for stdin.");
BERTH_SCHEMA (exec_written, EXEC_WRITTEN, 0, "How far stdin was accepted.");
BERTH_SCHEMA (exec_signal, EXEC_SIGNAL, 0, "A signal for an exec's process group.");
BERTH_SCHEMA (exec_resize, EXEC_RESIZE, 0, "A new size of the terminal.");
BERTH_SCHEMA (exec_result, EXEC_RESULT, 0, "How a command ended, with its output.");

//  activity.h
BERTH_SCHEMA (activity, ACTIVITY, SCHEMA_ROW, "One entry of the activity log.");
BERTH_SCHEMA (lease_details, LEASE_DETAILS, SCHEMA_ROW, "Of a lease's entries in the log.");
BERTH_SCHEMA (lease_expiring_details, LEASE_EXPIRING_DETAILS, SCHEMA_ROW, "Of the entries that announce a lease's end.");
BERTH_SCHEMA (lease_end_details, LEASE_END_DETAILS, SCHEMA_ROW, "Of the entries that end a lease.");
BERTH_SCHEMA (run_details, RUN_DETAILS, SCHEMA_ROW, "Of a run's entries in the log.");
BERTH_SCHEMA (activity_list, ACTIVITY_LIST, 0, "Which entries to read.");
BERTH_ENUM_TABLE (storage_fill, STORE_FILL);
BERTH_SCHEMA (storage_table, STORAGE_TABLE, 0, "A table of the store.");
BERTH_SCHEMA (storage_kept, STORAGE_KEPT, SCHEMA_ROW, "How long one kind is kept.");
BERTH_SCHEMA (storage_stat, STORAGE_STAT, SCHEMA_ROW, "The store.");
BERTH_SCHEMA (storage_finding, STORAGE_FINDING, 0, "What does not fit.");
BERTH_SCHEMA (storage_checked, STORAGE_CHECKED, 0, "Whether everything in the store fits together.");
BERTH_SCHEMA (storage_backup, STORAGE_BACKUP, 0, "Where a backup goes.");
BERTH_SCHEMA (storage_backed_up, STORAGE_BACKED_UP, 0, "A backup.");
BERTH_SCHEMA (storage_progress, STORAGE_PROGRESS, 0, "How far a check or a backup is.");
BERTH_SCHEMA (storage_told, STORAGE_TOLD, 0, "The same, inside the service.");
BERTH_SCHEMA (spool_drop, SPOOL_DROP, 0, "Whose output goes.");
BERTH_SCHEMA (activity_verify_ask, ACTIVITY_VERIFY_ASK, 0, "Which entries to hold against their hashes.");
BERTH_SCHEMA (activity_broken, ACTIVITY_BROKEN, 0, "An entry that does not fit.");
BERTH_SCHEMA (activity_verified, ACTIVITY_VERIFIED, SCHEMA_ROW, "Whether entries fit their chain.");
BERTH_SCHEMA (activity_page, ACTIVITY_PAGE, 0, "Entries of the log.");
BERTH_SCHEMA (activity_head, ACTIVITY_HEAD, 0, "The end of a log.");

//  key.h
BERTH_SCHEMA (principal, PRINCIPAL, SCHEMA_ROW, "Who may ask, with the key it shows.");
BERTH_SCHEMA (key_new, KEY_NEW, 0, "A new principal.");
BERTH_SCHEMA (key_list, KEY_LIST, 0, "Which principals to list.");
BERTH_SCHEMA (principal_page, PRINCIPAL_PAGE, 0, "A page of principals.");
BERTH_SCHEMA (key_grant, KEY_GRANT, 0, "What changes of a principal's rights.");
BERTH_SCHEMA (key_revoke, KEY_REVOKE, 0, "Whose key is not good any more.");
BERTH_SCHEMA (key_details, KEY_DETAILS, SCHEMA_ROW, "Of a key's entries in the log.");

//  bus.h
BERTH_SCHEMA (behalf, BEHALF, 0, "On whose behalf.");
BERTH_SCHEMA (request_header, REQUEST_HEADER, 0, "Header of a request.");
BERTH_ENUM_TABLE (reply_status, REPLY_STATUS);
BERTH_SCHEMA (reply_header, REPLY_HEADER, 0, "Header of a reply.");
BERTH_SCHEMA (error_details, ERROR_DETAILS, 0, "What is known about a failure.");
BERTH_SCHEMA (error_body, ERROR_BODY, 0, "Body of a reply with status error.");
BERTH_SCHEMA (bus_pong, BUS_PONG, 0, "Which service answers.");
BERTH_SCHEMA (bus_info, BUS_INFO, 0, "What a service is.");
BERTH_SCHEMA (bus_actor, BUS_ACTOR, 0, "One actor.");
BERTH_SCHEMA (bus_count, BUS_COUNT, 0, "A count.");
BERTH_SCHEMA (bus_provider, BUS_PROVIDER, 0, "One provider.");
BERTH_SCHEMA (bus_company, BUS_COMPANY, 0, "What a company has and asks.");
BERTH_SCHEMA (bus_ending, BUS_ENDING, SCHEMA_ROW, "A lease that ends.");
BERTH_SCHEMA (bus_stuck, BUS_STUCK, 0, "Something that does not move.");
BERTH_SCHEMA (bus_fault, BUS_FAULT, 0, "A failure.");
BERTH_SCHEMA (bus_stats, BUS_STATS, 0, "What goes on.");
BERTH_SCHEMA (bus_shutdown, BUS_SHUTDOWN, 0, "How to stop.");
BERTH_SCHEMA (describe_field, DESCRIBE_FIELD, 0, "A field.");
BERTH_SCHEMA (describe_schema, DESCRIBE_SCHEMA, 0, "A schema.");
BERTH_SCHEMA (describe_request, DESCRIBE_REQUEST, 0, "A request.");
BERTH_SCHEMA (describe_error, DESCRIBE_ERROR, 0, "An error.");
BERTH_SCHEMA (describe_limit, DESCRIBE_LIMIT, 0, "A limit.");
BERTH_SCHEMA (describe_action, DESCRIBE_ACTION, 0, "An action.");
BERTH_SCHEMA (bus_description, BUS_DESCRIPTION, 0, "The protocol as data.");
BERTH_SCHEMA (stream_credit, STREAM_CREDIT, 0, "Credit for a stream.");
BERTH_SCHEMA (stream_cancel, STREAM_CANCEL, 0, "A stream to end.");

//  place.h
BERTH_SCHEMA (provider_info, PROVIDER_INFO, 0, "A provider.");
BERTH_SCHEMA (provider_page, PROVIDER_PAGE, 0, "All providers.");
BERTH_SCHEMA (provider_ref, PROVIDER_REF, 0, "Names a provider.");
BERTH_SCHEMA (provider_config, PROVIDER_CONFIG, 0, "A config for a provider.");
BERTH_SCHEMA (reuse_lease, REUSE_LEASE, 0, "A lease, for the rules of reuse.");
BERTH_SCHEMA (reuse_ask, REUSE_ASK, 0, "Which place would be reused?");
BERTH_SCHEMA (reuse_refusal, REUSE_REFUSAL, 0, "Why a place would not be reused.");
BERTH_SCHEMA (reuse_answer, REUSE_ANSWER, 0, "The place that would be reused.");
BERTH_SCHEMA (lease_config_ask, LEASE_CONFIG_ASK, 0, "The config in a lease's metadata.");
BERTH_SCHEMA (lease_config, LEASE_CONFIG, 0, "A provider's config.");
BERTH_SCHEMA (provider_valid, PROVIDER_VALID, 0, "What a provider says of a config.");
BERTH_SCHEMA (place_open, PLACE_OPEN, 0, "A place to open.");
BERTH_SCHEMA (place_opened, PLACE_OPENED, 0, "A place that is open.");
BERTH_SCHEMA (place_close, PLACE_CLOSE, 0, "A place to close.");
BERTH_SCHEMA (place_realize, PLACE_REALIZE, 0, "Files for a place.");
BERTH_SCHEMA (place_realized, PLACE_REALIZED, 0, "Files in a place.");
BERTH_SCHEMA (place_return, PLACE_RETURN, 0, "Files to bring home.");
BERTH_SCHEMA (place_probe, PLACE_PROBE, 0, "A provider to probe.");
BERTH_SCHEMA (step_done, STEP_DONE, 0, "The answer to a step.");
BERTH_SCHEMA (step_progress, STEP_PROGRESS, 0, "How far a step is.");
BERTH_SCHEMA (lease_place, LEASE_PLACE, 0, "A lease whose place is needed.");
BERTH_SCHEMA (lease_realized, LEASE_REALIZED, 0, "What a realization changes of a lease.");
BERTH_SCHEMA (workspace_realize, WORKSPACE_REALIZE, 0, "A workspace to realize.");

//  shim.h
BERTH_ENUM_TABLE (shim_op, SHIM_OP);
BERTH_SCHEMA (shim_message, SHIM_MESSAGE, 0, "Between berthd and a shim.");
BERTH_SCHEMA (shim_limits, SHIM_LIMITS, 0, "A place's walls in numbers.");
BERTH_SCHEMA (shim_dress, SHIM_DRESS, 0, "What a shim executes in advance.");
BERTH_SCHEMA (shim_relay, SHIM_RELAY, 0, "Where a relay has its place.");
BERTH_SCHEMA (shim_open, SHIM_OPEN, 0, "How a shim opens a place.");
BERTH_SCHEMA (shim_opened, SHIM_OPENED, 0, "What came of it.");
BERTH_SCHEMA (shim_record, SHIM_RECORD, 0, "What a shim leaves for whoever ends its place without it.");

//  configuration.h
BERTH_SCHEMA (configuration_retention, CONFIGURATION_RETENTION, SCHEMA_STRICT, "How long what has ended is kept.");
BERTH_SCHEMA (configuration_sweep, CONFIGURATION_SWEEP, SCHEMA_STRICT, "How lost places are looked for.");
BERTH_SCHEMA (configuration_keys, CONFIGURATION_KEYS, SCHEMA_STRICT, "Idempotency keys.");
BERTH_SCHEMA (configuration_uids, CONFIGURATION_UIDS, SCHEMA_STRICT, "A range of host uids.");
BERTH_SCHEMA (configuration_quotas, CONFIGURATION_QUOTAS, SCHEMA_STRICT, "What a company may take.");
BERTH_SCHEMA (configuration_company, CONFIGURATION_COMPANY, SCHEMA_STRICT, "A company that differs.");
BERTH_SCHEMA (configuration_door, CONFIGURATION_DOOR, SCHEMA_STRICT, "One more way in.");
BERTH_SCHEMA (configuration, CONFIGURATION, SCHEMA_STRICT, "What berthd's configuration file says.");

//  The request or reply that says nothing.
const berth_schema_t nothing_schema = { "nothing", "An empty map.", 0, sizeof (nothing_t), 0, NULL };

static const berth_schema_t *const s_schemas [] = {
    &nothing_schema, &principal_schema, &key_new_schema, &key_list_schema, &principal_page_schema,
    &key_grant_schema, &key_revoke_schema, &key_details_schema,
    &configuration_sweep_schema, &secret_schema, &secret_version_schema, &company_key_schema, &secret_binding_schema,
    &secret_event_schema, &secret_create_schema, &secret_update_schema, &secret_rotate_schema,
    &secret_named_schema, &secret_delete_schema, &secret_list_schema, &secret_page_schema,
    &secret_bind_schema, &secret_unbind_schema, &secret_bound_schema, &secret_sync_schema,
    &secret_bindings_schema, &secret_synced_schema, &secret_history_schema, &secret_events_schema, &secret_rekeyed_schema,
    &secret_details_schema,
    &configuration_retention_schema, &configuration_uids_schema, &configuration_keys_schema, &configuration_quotas_schema,
    &configuration_company_schema, &configuration_door_schema,
    &configuration_schema, &environment_limits_schema, &environment_policy_schema, &environment_schema,
    &environment_create_schema, &environment_update_schema, &environment_ref_schema,
    &environment_delete_schema, &environment_release_schema, &environment_released_schema, &environment_list_schema, &environment_page_schema,
    &company_ref_schema, &environment_check_schema, &environment_checked_schema,
    &environment_probe_config_schema, &probe_result_schema, &capabilities_schema,
    &test_check_schema, &environment_test_schema, &environment_tested_schema,
    &environment_test_end_schema,
    &workspace_schema, &workspace_config_schema, &workspace_create_schema,
    &workspace_update_schema, &workspace_ref_schema, &workspace_list_schema,
    &workspace_page_schema, &realized_workspace_schema, &workspace_progress_schema,
    &hold_schema, &bus_drain_schema, &provider_pause_schema, &hold_details_schema,
    &suspect_schema, &sweep_schema, &provider_sweep_schema, &orphan_details_schema,
    &place_list_schema, &place_listed_schema, &place_list_page_schema,
    &workspace_return_schema, &workspace_diff_schema, &workspace_discard_schema, &workspace_change_schema,
    &workspace_returned_schema, &lease_schema,
    &lease_acquire_schema, &lease_ref_schema, &lease_list_schema, &lease_page_schema, &lease_waiting_schema, &lease_resume_schema, &lease_destroy_schema, &lease_adopt_schema,
    &company_delete_schema, &company_removal_schema, &company_details_schema, &company_clear_schema,
    &company_cleared_schema,
    &lease_renew_schema, &lease_renewed_schema, &lease_release_schema, &lease_metadata_schema,
    &release_for_run_schema, &release_error_schema, &run_released_schema,
    &target_local_schema, &target_runner_schema, &target_sandbox_schema, &target_ssh_spec_schema, &target_ssh_schema,
    &lease_target_ask_schema, &lease_target_schema, &run_schema, &run_selection_schema,
    &run_resolve_schema, &run_level_schema, &run_resolved_schema, &run_acquire_schema,
    &lease_context_schema, &run_acquired_schema, &realization_source_schema, &realization_overlay_schema, &realization_request_schema,
    &run_realize_schema, &run_realized_schema,
    &run_ref_schema, &run_list_schema, &run_page_schema, &exec_tty_schema, &exec_schema,
    &exec_start_schema, &exec_ref_schema, &exec_list_schema, &exec_page_schema, &exec_read_schema,
    &exec_read_end_schema, &stream_chunk_schema, &exec_write_schema, &exec_written_schema,
    &exec_signal_schema, &exec_resize_schema, &exec_result_schema, &activity_schema,
    &lease_details_schema, &lease_expiring_details_schema, &lease_end_details_schema, &run_details_schema,
    &storage_table_schema, &storage_kept_schema, &storage_stat_schema, &storage_finding_schema,
    &storage_checked_schema, &storage_backup_schema, &storage_backed_up_schema,
    &storage_progress_schema, &storage_told_schema, &spool_drop_schema,
    &activity_verify_ask_schema, &activity_broken_schema, &activity_verified_schema,
    &activity_list_schema, &activity_page_schema, &activity_head_schema, &behalf_schema,
    &request_header_schema, &reply_header_schema, &error_details_schema, &error_body_schema,
    &bus_pong_schema, &bus_info_schema, &bus_actor_schema, &bus_count_schema,
    &bus_provider_schema, &bus_company_schema, &bus_stuck_schema, &bus_ending_schema, &bus_fault_schema, &bus_stats_schema,
    &bus_shutdown_schema, &describe_field_schema, &describe_schema_schema,
    &describe_request_schema, &describe_error_schema, &describe_limit_schema,
    &describe_action_schema, &bus_description_schema, &stream_credit_schema,
    &stream_cancel_schema, &provider_info_schema, &provider_page_schema, &provider_ref_schema,
    &provider_config_schema, &provider_valid_schema, &reuse_lease_schema, &reuse_ask_schema,
    &reuse_refusal_schema, &reuse_answer_schema, &lease_config_ask_schema, &lease_config_schema,
    &place_open_schema, &place_opened_schema,
    &place_close_schema, &place_realize_schema, &place_realized_schema, &place_return_schema,
    &place_probe_schema, &step_done_schema, &step_progress_schema, &lease_place_schema,
    &lease_realized_schema, &workspace_realize_schema, &shim_message_schema, &shim_limits_schema,
    &shim_dress_schema, &shim_relay_schema, &shim_open_schema, &shim_opened_schema,
};

const berth_schema_t *
berth_schema_at (size_t index)
{
    return index < BERTH_COUNT (s_schemas) ? s_schemas [index] : NULL;
}
