//! The tables as diesel sees them. Private to this crate: [`crate::OrganizationConn`] is the only way to them.

diesel::table! {
    installation (only_row) {
        only_row -> Bool,
        initialized_at -> Timestamptz,
    }
}

diesel::table! {
    organizations (id) {
        id -> Uuid,
        name -> Text,
        created_at -> Timestamptz,
        git_version -> BigInt,
        sealed -> Bool,
        policy_version -> Nullable<BigInt>,
    }
}

diesel::table! {
    policy_versions (organization_id, version) {
        organization_id -> Uuid,
        version -> BigInt,
        rules -> Nullable<Text>,
        created_at -> Timestamptz,
        created_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    access_tokens (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        scope -> Text,
        created_by -> Nullable<Uuid>,
        last_used_at -> Nullable<Timestamptz>,
        rotated_at -> Nullable<Timestamptz>,
        previous_secret_hash -> Nullable<Bytea>,
        previous_valid_until -> Nullable<Timestamptz>,
        subject_id -> Uuid,
        is_session -> Bool,
        signed_by -> Nullable<Text>,
    }
}

diesel::table! {
    audit_records (organization_id, sequence) {
        organization_id -> Uuid,
        sequence -> BigInt,
        at -> Timestamptz,
        previous_hash -> Bytea,
        hash -> Bytea,
        record -> Bytea,
        subject_id -> Nullable<Uuid>,
        action -> Text,
        resource_kind -> Text,
        resource_id -> Nullable<Text>,
        outcome -> Text,
    }
}

diesel::table! {
    agents (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        secret_hash -> Bytea,
        epoch -> BigInt,
        last_sequence -> BigInt,
        term -> Nullable<Uuid>,
        suspected_loss -> Nullable<Jsonb>,
        full_wanted -> Bool,
        created_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        configuration -> Nullable<Jsonb>,
        configuration_version -> BigInt,
        configuration_changed_at -> Nullable<Timestamptz>,
        token_made_at -> Nullable<Timestamptz>,
        previous_secret_hash -> Nullable<Bytea>,
        previous_valid_until -> Nullable<Timestamptz>,
        previous_term -> Nullable<Uuid>,
        settled_at -> Nullable<Timestamptz>,
        is_for_organization -> Bool,
    }
}

diesel::table! {
    agent_groups (organization_id, agent_id, group_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        group_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    agent_events (organization_id, agent_id, id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        id -> Uuid,
        at -> Timestamptz,
        kind -> Text,
        message -> Text,
        token_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    agent_sealing_keys (organization_id, agent_id, public_key) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        public_key -> Bytea,
        registered_at -> Timestamptz,
        superseded_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    agent_prerequisites (organization_id, agent_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        prerequisites -> Jsonb,
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    network_checks (organization_id, agent_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        wanted -> Nullable<Uuid>,
        requested_at -> Nullable<Timestamptz>,
        verdict -> Nullable<Text>,
        reason -> Nullable<Text>,
        checked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    orphans (organization_id, agent_id, workspace_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        workspace_id -> Uuid,
        name -> Text,
        namespace -> Text,
        first_seen_at -> Timestamptz,
        removal_allowed_at -> Nullable<Timestamptz>,
        removal_allowed_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    workspaces (organization_id, agent_id, id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        id -> Uuid,
        name -> Text,
        namespace -> Text,
        desired_state -> Text,
        actual_state -> Text,
        reason -> Nullable<Jsonb>,
        generation -> BigInt,
        applied_generation -> BigInt,
        applied_epoch -> Nullable<BigInt>,
        applied_sequence -> Nullable<BigInt>,
        deployment_resource_version -> Nullable<Text>,
        spec -> Jsonb,
        devfile -> Nullable<Text>,
        created_at -> Timestamptz,
        created_by -> Uuid,
        desired_state_changed_at -> Timestamptz,
        actual_state_changed_at -> Timestamptz,
        living -> Bool,
        transitions -> BigInt,
        lifecycle_at -> Nullable<Timestamptz>,
        extended_hours -> Integer,
        demanded_cpu_millis -> BigInt,
        demanded_cpu_defaults -> BigInt,
        demanded_memory_bytes -> BigInt,
        demanded_memory_defaults -> BigInt,
        sealed_variables -> Nullable<Integer>,
        created_by_subject -> Nullable<Uuid>,
        project_id -> Nullable<Uuid>,
        ran_at -> Nullable<Timestamptz>,
        variables_generation -> BigInt,
    }
}

diesel::table! {
    workspace_activity (organization_id, agent_id, workspace_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        workspace_id -> Uuid,
        last_active_at -> Nullable<Timestamptz>,
        kept_until -> Nullable<Timestamptz>,
        stopped_at -> Nullable<Timestamptz>,
        stopped_after -> Nullable<Integer>,
        stopped_by -> Nullable<Jsonb>,
    }
}

diesel::table! {
    idle_rules (organization_id, scope, scope_id) {
        organization_id -> Uuid,
        scope -> Text,
        scope_id -> Uuid,
        stop_after -> Nullable<Integer>,
        never -> Bool,
        max_minutes -> Nullable<Integer>,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    proxy_contacts (organization_id, agent_id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        heard_at -> Timestamptz,
        heard_since -> Timestamptz,
    }
}

diesel::table! {
    workspace_transitions (organization_id, agent_id, workspace_id, number) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        workspace_id -> Uuid,
        number -> BigInt,
        at -> Timestamptz,
        desired_state -> Text,
        actual_state -> Text,
        reason -> Nullable<Jsonb>,
        generation -> BigInt,
        applied_generation -> BigInt,
        cause -> Text,
        token_id -> Nullable<Uuid>,
        written_in -> BigInt,
        subject_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    workspace_data_keys (organization_id, agent_id, workspace_id, id) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        workspace_id -> Uuid,
        id -> Uuid,
        kek_id -> Text,
        salt -> Bytea,
        wrapped_key -> Bytea,
        commitment -> Bytea,
        created_at -> Timestamptz,
        contents -> Nullable<Bytea>,
    }
}

diesel::table! {
    workspace_variables (organization_id, agent_id, workspace_id, kind, name) {
        organization_id -> Uuid,
        agent_id -> Uuid,
        workspace_id -> Uuid,
        kind -> Text,
        name -> Text,
        data_key_id -> Uuid,
        version -> BigInt,
        nonce -> Bytea,
        ciphertext -> Bytea,
        source -> Text,
        source_version -> Nullable<BigInt>,
        source_set_at -> Nullable<Timestamptz>,
        source_final -> Bool,
        overrides -> Nullable<Text>,
        source_id -> Nullable<Uuid>,
        source_path -> Nullable<Text>,
        taken_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sealed_scopes (organization_id, scope, scope_id) {
        organization_id -> Uuid,
        scope -> Text,
        scope_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    scope_data_keys (organization_id, scope, scope_id, id) {
        organization_id -> Uuid,
        scope -> Text,
        scope_id -> Uuid,
        id -> Uuid,
        kek_id -> Text,
        salt -> Bytea,
        wrapped_key -> Bytea,
        commitment -> Bytea,
        created_at -> Timestamptz,
        contents -> Nullable<Bytea>,
    }
}

diesel::table! {
    scope_variables (organization_id, scope, scope_id, kind, name) {
        organization_id -> Uuid,
        scope -> Text,
        scope_id -> Uuid,
        kind -> Text,
        name -> Text,
        data_key_id -> Uuid,
        version -> BigInt,
        nonce -> Bytea,
        ciphertext -> Bytea,
        is_final -> Bool,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    git_credentials (organization_id, host) {
        organization_id -> Uuid,
        host -> Text,
        plain_http -> Bool,
        username -> Text,
        audience -> Nullable<Text>,
        data_key_id -> Nullable<Uuid>,
        version -> BigInt,
        nonce -> Nullable<Bytea>,
        ciphertext -> Nullable<Bytea>,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    scope_git_credentials (organization_id, scope, scope_id, host) {
        organization_id -> Uuid,
        scope -> Text,
        scope_id -> Uuid,
        host -> Text,
        plain_http -> Bool,
        username -> Text,
        audience -> Nullable<Text>,
        data_key_id -> Nullable<Uuid>,
        version -> BigInt,
        nonce -> Nullable<Bytea>,
        ciphertext -> Nullable<Bytea>,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (organization_id, token_id, key) {
        organization_id -> Uuid,
        token_id -> Uuid,
        key -> Text,
        request_hash -> Bytea,
        resource_kind -> Text,
        resource_id -> Uuid,
        created_at -> Timestamptz,
        subject_id -> Uuid,
        fingerprint -> Nullable<Bytea>,
    }
}

diesel::table! {
    subjects (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        kind -> Text,
        name -> Text,
        created_at -> Timestamptz,
        account_id -> Nullable<Uuid>,
        role -> Text,
        suspended_at -> Nullable<Timestamptz>,
        is_provided -> Bool,
        role_is_kept -> Bool,
        removed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    invitations (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        secret_hash -> Bytea,
        name -> Text,
        role -> Text,
        created_at -> Timestamptz,
        created_by -> Uuid,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        accepted_at -> Nullable<Timestamptz>,
        accepted_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    groups (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        parent_id -> Nullable<Uuid>,
        parent_path -> Nullable<Text>,
        path -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    role_grants (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        subject_id -> Uuid,
        group_id -> Nullable<Uuid>,
        project_id -> Nullable<Uuid>,
        role -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    elevations (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        subject_id -> Uuid,
        role -> Text,
        group_id -> Nullable<Uuid>,
        project_id -> Nullable<Uuid>,
        reason -> Text,
        seconds -> Int4,
        created_at -> Timestamptz,
        decide_by -> Timestamptz,
        decided_at -> Nullable<Timestamptz>,
        decided_by -> Nullable<Uuid>,
        is_approved -> Nullable<Bool>,
        ends_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        ended_by -> Nullable<Uuid>,
        due_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    ended_connections (organization_id, workspace_id, connection_id) {
        organization_id -> Uuid,
        workspace_id -> Uuid,
        connection_id -> Uuid,
        session_id -> Uuid,
        ended_at -> Timestamptz,
        must_prove -> Bool,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    open_connections (organization_id, proxy_id, workspace_id, connection_id, port) {
        organization_id -> Uuid,
        proxy_id -> Uuid,
        workspace_id -> Uuid,
        connection_id -> Uuid,
        port -> Int4,
        kind -> Text,
        subject_id -> Nullable<Uuid>,
        session_id -> Nullable<Uuid>,
        since -> Timestamptz,
        last_active_at -> Timestamptz,
        address -> Nullable<Text>,
        open -> Int4,
        bytes_to_workspace -> Int8,
        bytes_to_person -> Int8,
    }
}

diesel::table! {
    opened_ports (organization_id, workspace_id, port) {
        organization_id -> Uuid,
        workspace_id -> Uuid,
        port -> Int4,
        name -> Text,
        generation -> Int8,
        opened_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    proxy_copies (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        agent_id -> Uuid,
        told_at -> Timestamptz,
    }
}

diesel::table! {
    port_shares (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        workspace_id -> Uuid,
        port -> Int4,
        audience -> Text,
        subject_id -> Nullable<Uuid>,
        group_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    projects (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        group_id -> Nullable<Uuid>,
        group_path -> Nullable<Text>,
        path -> Text,
        settings -> Jsonb,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    accounts (id) {
        id -> Uuid,
        name -> Text,
        created_at -> Timestamptz,
        suspended_at -> Nullable<Timestamptz>,
        new_device_id -> Nullable<Uuid>,
        new_device_at -> Nullable<Timestamptz>,
        failed_sign_ins -> BigInt,
        failed_sign_in_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    devices (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        secret_hash -> Nullable<Bytea>,
        session_id -> Uuid,
        first_seen_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        known_since -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sign_in_links (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        secret_hash -> Bytea,
        method -> Text,
        authenticated_at -> Timestamptz,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        expires_at -> Timestamptz,
        idle_seconds -> BigInt,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        ended_at -> Nullable<Timestamptz>,
        client -> Text,
        refresh_id -> Nullable<Uuid>,
        refresh_before -> Nullable<Uuid>,
        refreshed_at -> Nullable<Timestamptz>,
        verified_at -> Nullable<Timestamptz>,
        device_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    authorization_codes (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        secret_hash -> Bytea,
        challenge -> Text,
        redirect_uri -> Text,
        device_name -> Text,
        method -> Text,
        authenticated_at -> Timestamptz,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        session_id -> Nullable<Uuid>,
        proved_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    spent_codes (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    device_requests (secret_hash) {
        secret_hash -> Bytea,
        user_code -> Text,
        device_name -> Text,
        address -> Nullable<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        polled_at -> Nullable<Timestamptz>,
        interval_seconds -> Integer,
        account_id -> Nullable<Uuid>,
        method -> Nullable<Text>,
        authenticated_at -> Nullable<Timestamptz>,
        is_allowed -> Nullable<Bool>,
        proved_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    issuer_names (name) {
        name -> Text,
        used_at -> Timestamptz,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        kek_id -> Text,
        salt -> Bytea,
        sealed -> Bytea,
        created_at -> Timestamptz,
        signs_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    identity_providers (organization_id, id) {
        organization_id -> Uuid,
        id -> Uuid,
        name -> Text,
        issuer -> Text,
        client_id -> Text,
        data_key_id -> Nullable<Uuid>,
        version -> BigInt,
        nonce -> Nullable<Bytea>,
        ciphertext -> Nullable<Bytea>,
        settings -> Jsonb,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    identities (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        account_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sign_in_attempts (state_hash) {
        state_hash -> Bytea,
        provider_organization_id -> Nullable<Uuid>,
        provider_id -> Nullable<Uuid>,
        address -> Nullable<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        session_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    passkeys (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        name -> Text,
        credential -> Bytea,
        public_key -> Bytea,
        counter -> BigInt,
        created_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    ssh_keys (account_id, id) {
        account_id -> Uuid,
        id -> Uuid,
        session_id -> Uuid,
        name -> Text,
        public_key -> Bytea,
        fingerprint -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    session_proofs (organization_id, account_id, session_id) {
        organization_id -> Uuid,
        account_id -> Uuid,
        session_id -> Uuid,
        provider_id -> Uuid,
        sid -> Nullable<Text>,
        acr -> Nullable<Text>,
        amr -> Array<Text>,
        auth_time -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    access_tokens,
    accounts,
    agent_events,
    agent_groups,
    agent_prerequisites,
    agent_sealing_keys,
    agents,
    audit_records,
    authorization_codes,
    device_requests,
    elevations,
    git_credentials,
    groups,
    idempotency_keys,
    identities,
    identity_providers,
    idle_rules,
    issuer_names,
    network_checks,
    organizations,
    orphans,
    invitations,
    passkeys,
    policy_versions,
    ended_connections,
    open_connections,
    opened_ports,
    port_shares,
    projects,
    proxy_contacts,
    proxy_copies,
    role_grants,
    scope_data_keys,
    scope_git_credentials,
    scope_variables,
    sealed_scopes,
    session_proofs,
    sessions,
    sign_in_attempts,
    sign_in_links,
    signing_keys,
    spent_codes,
    ssh_keys,
    subjects,
    workspace_data_keys,
    workspace_activity,
    workspace_transitions,
    workspace_variables,
    workspaces,
);
