"""What the dashboards are made of: panels, the frame around them, and one module per dashboard."""
