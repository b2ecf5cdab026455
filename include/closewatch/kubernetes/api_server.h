// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "closewatch/kubernetes/api_transport.h"

namespace closewatch {

/// Where the API server is: at `address`, HOST:PORT or [IPv6]:PORT, or where that is empty as a pod
/// is told (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
/// `service_account` is a directory.
ApiAccess find_api_server(const std::string& address, const std::string& service_account);

/// What is missing for asking it, with the remedy; empty when nothing is. `otherwise` is how to do
/// without.
std::string missing_for(const ApiAccess& access, const std::string& otherwise);

}  // namespace closewatch
