//! The kinds of objects a workspace, or the proxy, may be made of. What is not here is not applied.

/// A kind of object that the agent applies, prunes or deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Namespace,
    ServiceAccount,
    ResourceQuota,
    NetworkPolicy,
    ConfigMap,
    Secret,
    PersistentVolumeClaim,
    Service,
    Deployment,
    /// The proxy's alone.
    PodDisruptionBudget,
}

impl Kind {
    /// What a workspace may be made of.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::ResourceQuota,
        Self::NetworkPolicy,
        Self::ConfigMap,
        Self::Secret,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::Deployment,
    ];

    /// What is removed when it is no longer in a workspace's set. Never a volume: what a user wrote is only deleted
    /// together with the workspace.
    pub const PRUNED: [Self; 6] = [
        Self::ServiceAccount,
        Self::ResourceQuota,
        Self::NetworkPolicy,
        Self::ConfigMap,
        Self::Secret,
        Self::Service,
    ];

    /// The kind of an object by its `apiVersion` and `kind`; `None` for everything else.
    pub fn parse(api_version: &str, kind: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::PodDisruptionBudget]);
        all.find(|known| known.as_str() == kind && known.api_version() == api_version)
    }

    /// Whether an object of it is put in the place of what somebody has made of it. A claim is written by whoever binds it, and a
    /// Namespace by whoever keeps notes there: these are applied alone.
    pub const fn is_replaced(self) -> bool {
        !matches!(self, Self::PersistentVolumeClaim | Self::Namespace)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::ResourceQuota => "ResourceQuota",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }

    /// As in the path of its REST resource.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::ServiceAccount => "serviceaccounts",
            Self::ResourceQuota => "resourcequotas",
            Self::NetworkPolicy => "networkpolicies",
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::Service => "services",
            Self::Deployment => "deployments",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
        }
    }

    /// The API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "networking.k8s.io",
            Self::Deployment => "apps",
            Self::PodDisruptionBudget => "policy",
            _ => "",
        }
    }

    /// Group and version as in `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::Deployment => "apps/v1",
            Self::PodDisruptionBudget => "policy/v1",
            _ => "v1",
        }
    }

    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_own_api_version_only() {
        for kind in Kind::ALL.into_iter().chain([Kind::PodDisruptionBudget]) {
            assert_eq!(Kind::parse(kind.api_version(), kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("v1", "Deployment"), None);
        assert_eq!(Kind::parse("extensions/v1beta1", "Deployment"), None);
        assert_eq!(Kind::parse("rbac.authorization.k8s.io/v1", "ClusterRole"), None);
    }

    #[test]
    fn volumes_and_workloads_are_never_pruned() {
        for kept in [Kind::Namespace, Kind::PersistentVolumeClaim, Kind::Deployment] {
            assert!(!Kind::PRUNED.contains(&kept));
        }
    }
}
