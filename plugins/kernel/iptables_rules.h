// iptables rules as word lists: the words that iptables-save prints, and those that iptables-restore reads.
#pragma once

#include "plugins/kernel/kernel.h"

#include <string_view>

namespace rdmalab::plugin {

std::string iptablesTable(const IptablesRule& rule); // the word after -t; "filter" without

// {"-t", table, "-A", chain, ...} with what iptables-save writes out although nobody asked for it left out (full masks of
// MARK, CONNMARK and -m mark, host prefix lengths), so that a rule compares equal to what was asked for.
// Throws KernelError EINVAL when there is no -A (--append) with a chain.
IptablesRule canonicalRule(const IptablesRule& rule, int family);

// The rules in the output of `iptables-save`, canonical.
std::vector<IptablesRule> parseIptablesSave(std::string_view output, int family);
// Input for `iptables-restore --noflush` that appends the rules, table by table.
std::string iptablesRestoreInput(const std::vector<IptablesRule>& rules);

} // namespace rdmalab::plugin
