#include "plugins/cni/protocol/cni_error.h"

#include "plugins/cni/protocol/go_json.h"

namespace rdmalab::plugin {

CniError::CniError(int code, const std::string& message, const std::string& details)
    : std::runtime_error(details.empty() ? message : message + "; " + details), code_(code), message_(message),
      details_(details) {}

std::string CniError::json() const {
    nlohmann::ordered_json object{{"code", code_}, {"msg", message_}};
    if (!details_.empty())
        object["details"] = details_;
    return goJson(object, 4);
}

} // namespace rdmalab::plugin
