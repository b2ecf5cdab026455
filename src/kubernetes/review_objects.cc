// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/review_objects.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace closewatch {
namespace {

namespace json = boost::json;

/// A member that is an object, or nullptr.
const json::object* object_in(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

/// A member's text; empty when it has none.
std::string text_in(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  const auto* const text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

bool is_true(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  const auto* const flag = found == nullptr ? nullptr : found->if_bool();
  return flag != nullptr && *flag;
}

/// An array's texts; what is none of these is left out.
std::vector<std::string> texts_of(const json::value* value) {
  std::vector<std::string> texts;
  const auto* const array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return texts;
  for (const auto& item : *array) {
    if (const auto* const text = item.if_string()) texts.emplace_back(text->data(), text->size());
  }
  return texts;
}

json::array array_of(std::span<const std::string> texts) {
  json::array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

/// The status of a review that the server has looked at.
Result<json::object> status_of(std::string_view text, std::string_view kind) {
  json::error_code error;
  const auto document = json::parse(text, error);
  if (error) return fail(ErrorKind::kMalformed, "no JSON (" + error.message() + ")");
  const auto* const review = document.if_object();
  if (review == nullptr || text_in(*review, "kind") != kind) {
    return fail(ErrorKind::kMalformed, "JSON, but no " + std::string(kind));
  }
  const auto* const status = object_in(*review, "status");
  if (status != nullptr) return *status;
  return fail(ErrorKind::kMalformed, "a " + std::string(kind) + " without a status");
}

/// Who asks for some must see that the server knows of them: one that does not, tells of none
/// (TokenReviewStatus in k8s.io/api/authentication/v1).
bool is_for(const json::object& status, std::span<const std::string> audiences) {
  if (audiences.empty()) return true;
  const auto meant = texts_of(status.if_contains("audiences"));
  return std::find_first_of(meant.begin(), meant.end(), audiences.begin(), audiences.end()) !=
         meant.end();
}

}  // namespace

std::string token_review(std::string_view token, std::span<const std::string> audiences) {
  json::object spec{{"token", token}};
  if (!audiences.empty()) spec["audiences"] = array_of(audiences);
  return json::serialize(json::object{{"apiVersion", "authentication.k8s.io/v1"},
                                      {"kind", "TokenReview"},
                                      {"spec", std::move(spec)}});
}

Result<std::optional<TokenOwner>> parse_token_review(std::string_view text,
                                                     std::span<const std::string> audiences) {
  const auto status = status_of(text, "TokenReview");
  if (!status) return tl::unexpected(status.error());
  if (!is_true(*status, "authenticated") || !is_for(*status, audiences)) {
    return std::optional<TokenOwner>();
  }
  const auto* const user = object_in(*status, "user");
  TokenOwner owner;
  if (user != nullptr) owner.user = text_in(*user, "username");
  if (owner.user.empty()) {
    return fail(ErrorKind::kMalformed, "a TokenReview of a token whose owner has no name");
  }
  owner.uid = text_in(*user, "uid");
  owner.groups = texts_of(user->if_contains("groups"));
  if (const auto* const extra = object_in(*user, "extra")) {
    for (const auto& [key, values] : *extra) owner.extra[std::string(key)] = texts_of(&values);
  }
  return std::optional(std::move(owner));
}

std::string access_review(const TokenOwner& owner, std::string_view path) {
  json::object spec{{"user", owner.user},
                    {"nonResourceAttributes", {{"path", path}, {"verb", "get"}}}};
  if (!owner.uid.empty()) spec["uid"] = owner.uid;
  if (!owner.groups.empty()) spec["groups"] = array_of(owner.groups);
  json::object extra;
  for (const auto& [key, values] : owner.extra) extra[key] = array_of(values);
  if (!extra.empty()) spec["extra"] = std::move(extra);
  return json::serialize(json::object{{"apiVersion", "authorization.k8s.io/v1"},
                                      {"kind", "SubjectAccessReview"},
                                      {"spec", std::move(spec)}});
}

Result<bool> parse_access_review(std::string_view text) {
  const auto status = status_of(text, "SubjectAccessReview");
  if (!status) return tl::unexpected(status.error());
  return is_true(*status, "allowed") && !is_true(*status, "denied");
}

}  // namespace closewatch
