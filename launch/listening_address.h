#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// The address, in figures, on which rank `rank` of a job listens, so that nothing listens wider
/// than the job needs: loopback where all of `hosts` (by rank) are one; else the address of the
/// network interface `interface`, or, where that is empty, the one from which this host reaches the
/// first other host. InvalidArgument names an interface that is not here, or that has to be chosen.
/// Requires: rank < hosts.size().
absl::StatusOr<std::string> ListeningAddress(const std::vector<std::string>& hosts, int rank,
                                             const std::string& interface);

/// An address of this host for people, with what it is of: "10.0.0.1, eth0, MTU 1500".
std::string AddressText(const std::string& address);

}  // namespace cf
