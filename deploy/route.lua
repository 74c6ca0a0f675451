-- Orthanc calls this for each object that it stores: films of hands go to the node. Results are SR, OT and SEG, so they
-- do not come by here again.
function OnStoredInstance(instance, tags, metadata, origin)
  local words = ((tags["BodyPartExamined"] or "") .. (tags["StudyDescription"] or "")):upper()
  local film = tags["Modality"] == "CR" or tags["Modality"] == "DX"
  if film and words:find("HAND") then
    SendToModality(instance, "boneage")
  end
end
