//! What holds: the document over the server's own options.

use super::{AgentConfiguration, ImagePullPolicy, LifecycleRules, ProxyRules};
use crate::NamespaceName;
use crate::spec::Resources;

impl AgentConfiguration {
    /// What the server's options say when nobody sets them.
    pub fn built_in() -> Self {
        Self {
            dns_zone: Some("workspaces.localhost".to_owned()),
            proxy_namespace: NamespaceName::new("berth-proxy").ok(),
            proxy: ProxyRules::built_in(),
            default_resources: Resources {
                cpu_request: Some("50m".to_owned()),
                cpu_limit: Some("1".to_owned()),
                memory_request: Some("64Mi".to_owned()),
                memory_limit: Some("512Mi".to_owned()),
            },
            user_namespaces: Some(false),
            image_pull_policy: Some(ImagePullPolicy::IfNotPresent),
            volume_size: Some("1Gi".to_owned()),
            user: Some(5_001),
            ..Self::default()
        }
    }

    /// What holds where nothing was written is what `defaults` say: figure by figure of the default resources, whole lists
    /// and maps otherwise.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let (own, other) = (&self.default_resources, &defaults.default_resources);
        let mut all = self.clone();
        all.default_resources = Resources {
            cpu_request: first(own.cpu_request.as_ref(), other.cpu_request.as_ref()),
            cpu_limit: first(own.cpu_limit.as_ref(), other.cpu_limit.as_ref()),
            memory_request: first(own.memory_request.as_ref(), other.memory_request.as_ref()),
            memory_limit: first(own.memory_limit.as_ref(), other.memory_limit.as_ref()),
        };
        all.dns_zone = first(self.dns_zone.as_ref(), defaults.dns_zone.as_ref());
        all.proxy_namespace = first(self.proxy_namespace.as_ref(), defaults.proxy_namespace.as_ref());
        all.proxy = self.proxy.over(&defaults.proxy);
        all.runtime_class = first(self.runtime_class.as_ref(), defaults.runtime_class.as_ref());
        all.tools_image = first(self.tools_image.as_ref(), defaults.tools_image.as_ref());
        all.user_namespaces = self.user_namespaces.or(defaults.user_namespaces);
        // The installation's `Always` holds whatever an organisation says.
        all.image_pull_policy = match defaults.image_pull_policy {
            Some(ImagePullPolicy::Always) => Some(ImagePullPolicy::Always),
            other => self.image_pull_policy.or(other),
        };
        all.storage_class = first(self.storage_class.as_ref(), defaults.storage_class.as_ref());
        all.volume_size = first(self.volume_size.as_ref(), defaults.volume_size.as_ref());
        all.user = self.user.or(defaults.user);
        all
    }

    /// The limits that hold.
    pub fn lifecycle_rules(&self) -> LifecycleRules {
        let default = LifecycleRules::default();
        let written = &self.lifecycle;
        LifecycleRules {
            max_active_hours_before_stop: written
                .max_active_hours_before_stop
                .unwrap_or(default.max_active_hours_before_stop),
            max_stopped_hours_before_termination: written
                .max_stopped_hours_before_termination
                .unwrap_or(default.max_stopped_hours_before_termination),
            max_age_hours: written.max_age_hours.unwrap_or(default.max_age_hours),
            idle_minutes_before_stop: written.idle_minutes_before_stop,
        }
    }
}

fn first<T: Clone>(own: Option<&T>, default: Option<&T>) -> Option<T> {
    own.or(default).cloned()
}
